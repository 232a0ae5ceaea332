/** Row 8: every Redis is killed, comes back empty, and is flushed. It grants nothing, so nothing of value is lost. */

import { connect as dial } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getJson } from '@tidemark/cli/demo/site-facts';
import { settle } from '@tidemark/cli/drill/account';
import type { DevSite } from '@tidemark/dev/sites';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const UNKNOWN_MS_MAX = 5_000;
const ALIVE_MS_MAX = 15_000;
const POLL_MS = 100;

type Seen = { readonly sites: readonly { readonly site: string; readonly state: string }[] };

/** Waits until `site` says `state` of every other one. @returns how long it took; null when it never did */
async function untilOthersAre(site: DevSite, state: string, msMax: number): Promise<number | null> {
  const beganMs = performance.now();
  while (performance.now() - beganMs < msMax) {
    const { sites } = await getJson<Seen>(`${site.url}/v1/status`);
    if (sites.filter((one) => one.site !== site.name).every((one) => one.state === state)) {
      return Math.round(performance.now() - beganMs);
    }
    await sleep(POLL_MS);
  }
  return null;
}

/** Forgets everything it holds. */
async function flush(port: number): Promise<void> {
  const socket = dial(port, '127.0.0.1');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', () => resolve());
    socket.write('FLUSHALL\r\n');
  });
  socket.destroy();
}

export const noRedis: FaultRow = {
  row: 8,
  fault: 'Redis killed everywhere, restarted empty, flushed',
  promise: 'no role change, no lost write, others "unknown" within 5 s and alive again after',
  sizeIs: 'rounds',
  small: 1,
  large: 20,
  mutants: ['absent-is-alive'],
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const beganAtMs = Date.now();
    let unknownMsMax = 0;
    for (let round = 0; round < size; round++) {
      await Promise.all(stage.sites.map((site) => site.redis!.kill()));
      for (const site of stage.sites) {
        const unknownMs = await untilOthersAre(site, 'unknown', UNKNOWN_MS_MAX);
        promise(unknownMs !== null, `${site.name} still had a health vote of the others after ${UNKNOWN_MS_MAX} ms`);
        unknownMsMax = Math.max(unknownMsMax, unknownMs!);
      }
      await calm(load, 2);
      await Promise.all(stage.sites.map((site) => site.redis!.restart()));
      for (const site of stage.sites) {
        promise((await untilOthersAre(site, 'alive', ALIVE_MS_MAX)) !== null, `${site.name} does not hear the others`);
      }
      await Promise.all(stage.sites.map((site) => flush(site.redis!.port)));
      await calm(load, 1);
      say(`round ${round + 1}: others unknown after ${unknownMsMax} ms`);
    }
    const after = await stage.primary(TAKEOVER_MS_MAX);
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    promise(after.epoch === before.epoch, `the epoch went from ${before.epoch} to ${after.epoch}`);
    return { rounds: size, unknownMsMax, pauseMsMax: Math.round(account.outage.pauseMs) };
  },
};
