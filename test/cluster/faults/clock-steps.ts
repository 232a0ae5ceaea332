/** The clock of the primary steps while it writes: another site has to write on, by itself or by one command. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import { runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect } from '@tidemark/client';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const STEPS_MS = [-60_000, 60_000, -3_600_000, 3_600_000] as const;
const SILENT = new Output(true, { write: () => true }, { write: () => true });
const SAID_MS_MAX = 10_000;
const POLL_MS = 100;

type Sites = { readonly sites: readonly { readonly site: string; readonly reason: string | null }[] };

/** What a site says is wrong with it, once it says anything of its clock. */
async function saidOf(url: string, site: string): Promise<string> {
  for (const untilMs = performance.now() + SAID_MS_MAX; performance.now() < untilMs; await sleep(POLL_MS)) {
    const status = (await (await fetch(`${url}/v1/status`)).json()) as Sites;
    const reason = status.sites.find((one) => one.site === site)?.reason ?? '';
    if (reason.includes('clock')) return reason;
  }
  return 'nothing';
}

export const clockSteps: FaultRow = {
  row: 24,
  name: 'clock-steps',
  fault: "the primary's clock steps by a minute or an hour, either way, while it writes",
  promise: 'writes go on elsewhere by themselves, or by one command; nothing acked is lost; status names the clock',
  sizeIs: 'steps: a minute back and forth, an hour back and forth, in turn',
  small: 2,
  large: 12,
  mutants: ['wrong-clock-leads-on'],
  engine: 'embedded',
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    const clockOf = (name: string): string => join(folder, `clock-${name}`);
    for (const site of stage.sites) {
      const preload = new URL(`stage/stepped-clock.ts?${encodeURIComponent(clockOf(site.name))}`, import.meta.url).href;
      await site.kill();
      await site.start({ NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`.trim() });
    }
    await using load = loadOf(trial);
    const beganAtMs = Date.now();
    const backMs: number[] = [];
    for (let step = 0; step < size; step++) {
      await calm(load, 1);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const site = stage.site(before.site);
      const byMs = STEPS_MS[step % STEPS_MS.length]!;
      const steppedMs = performance.now();
      await writeFile(clockOf(site.name), String(byMs));
      const said = await saidOf(site.url, site.name);
      promise(
        /clock \d+ s (behind|ahead)/.test(said),
        `status of ${site.name} says ${said} with a clock ${byMs} ms off`,
      );
      if (step % 2 === 1) {
        // An operator need not wait for it to move by itself, and may ask at any site.
        const [to] = stage.others(site.name);
        await using db = await connect([site.url], { timeoutMs: TAKEOVER_MS_MAX });
        const job = { kind: step % 4 === 1 ? 'switchover' : 'failover', keyspace: stage.keyspace, to: to!.name };
        const facts = await runJob(db, site.url, job, SILENT).catch((error) => ({ words: String(error) }));
        const isMoved = (await stage.successor(before, TAKEOVER_MS_MAX)) !== null;
        promise(isMoved, `${job.kind} to ${to!.name} with a wrong clock: ${JSON.stringify(facts)}`);
      }
      const next = await stage.mustSucceed(before, TAKEOVER_MS_MAX);
      await calm(load, 1);
      backMs.push(Math.round(performance.now() - steppedMs));
      say(`${site.name} ${byMs} ms off said "${said}"; ${next.site} writes in epoch ${next.epoch}`);
      await writeFile(clockOf(site.name), '0');
    }
    await calm(load, 1);
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    return {
      steps: size,
      rowsLost: 0,
      writesBackMsMax: Math.max(...backMs),
      pauseMsMax: Math.round(account.outage.pauseMs),
    };
  },
};
