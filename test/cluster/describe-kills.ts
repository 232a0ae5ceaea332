/** The suite of kills, for one engine. Sizes by KILLS: small in CI, any number by hand. */

import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM } from '@tidemark/cli/program';
import { Reaper } from '@tidemark/dev/reaper';
import { type DevSite, type Engine, startSites } from '@tidemark/dev/sites';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectTo,
  contradictions,
  defineKills,
  emptyLedger,
  keepWriting,
  type Ledger,
  rowsInLog,
  temporaryFiles,
  untilEqual,
} from './kills.ts';

const MINUTE_MS = 60_000;

export function describeKills(
  engine: Engine,
  sizes: { readonly replicaKills: number; readonly siteKills: number },
): void {
  describe(`kill −9 on the ${engine} engine`, () => {
    const random = new SeededRandom(Number(process.env.SEED ?? 1));
    const ledger = emptyLedger();
    let reaper: Reaper;
    let sites: DevSite[] = [];
    beforeAll(async () => {
      reaper = Reaper.start();
      const folder = await reaper.scratchFolder(`kills-${engine}`);
      sites = await startSites({ program: PROGRAM, engine, count: 3, folder, reaper, firstPort: null });
      await defineKills(sites.map((site) => site.url));
    }, 2 * MINUTE_MS);
    afterAll(async () => {
      await reaper[Symbol.asyncDispose]();
    });

    /** Kills and restarts one of `victims` at random moments while rows are written; then everything must add up. */
    const killWhileWriting = async (victims: readonly DevSite[], kills: number): Promise<void> => {
      const stop = new AbortController();
      await using db = await connectTo(sites);
      const writing = keepWriting(db, ledger, random, stop.signal);
      for (let kill = 0; kill < kills; kill++) {
        const victim = victims[integerBetween(random, 0, victims.length - 1)]!;
        await Promise.race([sleep(integerBetween(random, 0, 250)), writing]);
        await victim.kill();
        await victim.start();
      }
      stop.abort();
      await writing;
      // Equal digests alone could be those of a moment before the last ack.
      for (const site of sites) await db.visible(ledger.last!, { at: site.name });
      await expectSound(ledger);
    };

    const expectSound = async (kept: Ledger): Promise<void> => {
      expect(kept.batches).toBeGreaterThan(0);
      await untilEqual(sites);
      for (const site of sites) {
        expect(await contradictions(site, kept)).toEqual([]);
        expect(await temporaryFiles(site)).toEqual([]);
      }
      // Every batch has its own idempotency key and is repeated until it is answered.
      expect(await rowsInLog(sites[0]!)).toBe(kept.ackedRows);
    };

    it(
      `${sizes.replicaKills} kills of a replica: every acked row is at every site, once, with its newest value`,
      async () => {
        await killWhileWriting(sites.slice(1), sizes.replicaKills);
      },
      (sizes.replicaKills / 10 + 2) * MINUTE_MS,
    );

    it(
      `${sizes.siteKills} kills of any site, the primary too: retries under their keys count no row twice`,
      async () => {
        await killWhileWriting(sites, sizes.siteKills);
      },
      (sizes.siteKills / 10 + 2) * MINUTE_MS,
    );
  });
}
