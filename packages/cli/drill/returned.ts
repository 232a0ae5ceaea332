/** A lost site that is there again: until it is a member, and what of it was beyond the epoch end. */

import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@tidemark/client';
import { Fault, isFault } from '@tidemark/platform/fault';
import { type JobFacts, runJob } from '../job.ts';
import { Output } from '../output/output.ts';

/** How a lost site came back. */
export type Returned = {
  readonly site: string;
  /** Records that only this site had. */
  readonly divergentRecords: number;
  /** Rows of them that were written to files. */
  readonly exported: number;
  /** From the moment it answered again until it was a member with everything the others have. */
  readonly caughtUpMs: number;
};

const RETURN_MS_MAX = 120_000;
const POLL_MS = 200;
const SILENT = new Output(true, { write: () => true }, { write: () => true });

/**
 * Takes the site back as `tidemark return SITE` does, as soon as it lets itself be taken.
 * @throws {Fault} the one of the last try, when it is not a member within `RETURN_MS_MAX`
 */
export async function takeBack(
  site: { readonly name: string; readonly url: string },
  keyspace: string,
): Promise<Returned> {
  const beganMs = performance.now();
  await using db = await connect([site.url], { timeoutMs: RETURN_MS_MAX, idleMs: RETURN_MS_MAX });
  const job = { kind: 'return', keyspace, site: site.name, tail: 'export' };
  for (;;) {
    try {
      const facts = await runJob(db, site.url, job, SILENT);
      if (facts.member !== 'ACTIVE') throw new Fault('unavailable', `${site.name} is no member yet`);
      const caughtUpMs = Math.round(performance.now() - beganMs);
      return {
        site: site.name,
        divergentRecords: numberIn(facts, 'divergentRecords'),
        exported: numberIn(facts, 'exported'),
        caughtUpMs,
      };
    } catch (error) {
      // It has just been started: what it needs to know it learns from the others.
      if (!isFault(error, 'unavailable') || performance.now() - beganMs > RETURN_MS_MAX) throw error;
      await sleep(POLL_MS);
    }
  }
}

function numberIn(facts: JobFacts, name: string): number {
  return typeof facts[name] === 'number' ? facts[name] : 0;
}
