/** Row 24: the clock of one site is an hour ahead, an hour behind, or jumps to and fro. */

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import type { DevSite } from '@tidemark/dev/sites';
import { fakeTime } from '@tidemark/dev/testing/fake-time';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './fault-row.ts';
import { type TiedAck, TiedClient } from './tied-client.ts';

const WRONG = ['+3600', '-3600', 'strobing'] as const;
const STROBE = ['+0', '+3600', '+0', '-3600'] as const;
const STROBE_MS = 700;
/** A stamp that was given with the right clock is no further from the client's. */
const STAMP_OFF_MS_MAX = 5_000;
/** Writes are refused after so long at the latest. */
const REFUSED_MS_MAX = 2_000;
const WATCHED_MS = 3_000;
const STAMPS_READ_MAX = 100;

/** Moves the clock of whoever reads the file, to and fro. */
async function strobe(file: string, ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  for (let n = 1; performance.now() < untilMs; n++) {
    await writeFile(`${file}.new`, STROBE[n % STROBE.length]!);
    await rename(`${file}.new`, file);
    await sleep(STROBE_MS);
  }
}

/** Of the acked rows, how far the stamps are off that are off too far, in ms; read at a site that shows them. */
async function stampsOff(site: DevSite, keyspace: string, acks: readonly TiedAck[]): Promise<number[]> {
  const off: number[] = [];
  for (const { row, atMs } of acks.slice(-STAMPS_READ_MAX)) {
    const response = await fetch(`${site.url}/v1/${keyspace}/probes/rows/${row}`);
    const stampMs = Number(response.headers.get('tidemark-stamp')?.split('.')[0]);
    const offMs = Math.abs(stampMs - atMs);
    // Of a row that is not there nothing is known: others look for it.
    if (response.ok && !(offMs <= STAMP_OFF_MS_MAX)) off.push(offMs);
  }
  return off;
}

export const clocks: FaultRow = {
  row: 24,
  fault: "the primary's clock an hour ahead, an hour behind, and strobing",
  promise: 'it acks nothing with such a clock; the others go on, and what was acked stays',
  sizeIs: 'clocks that are wrong: ahead, behind and strobing in turn',
  small: 3,
  large: 12,
  mutants: ['any-clock'],
  obstacle: async () => {
    const found = await fakeTime();
    return 'obstacle' in found ? found.obstacle : null;
  },
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    const found = await fakeTime();
    if ('obstacle' in found) throw new Error(found.obstacle);
    const clockFile = join(folder, 'clock');
    await using load = loadOf(trial);
    const beganAtMs = Date.now();
    let acksWrong = 0;
    for (let round = 0; round < size; round++) {
      await calm(load, 1);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const site = stage.site(before.site);
      await site.kill();
      const wrong = WRONG[round % WRONG.length]!;
      await writeFile(clockFile, STROBE[0]);
      await site.start(wrong === 'strobing' ? found.environmentOf(clockFile) : found.environment(wrong));
      const wrongAtMs = Date.now();
      const tied = new TiedClient(site, stage.keyspace, `clock-${wrongAtMs}`);
      if (wrong === 'strobing') await strobe(clockFile, REFUSED_MS_MAX + 2 * WATCHED_MS);
      else await sleep(REFUSED_MS_MAX + WATCHED_MS);
      await tied.stop();
      say(`${site.name} at ${wrong} s answered ${tied.answersInWords}`);
      if (wrong === 'strobing') {
        // Between two jumps it may be right; what it acks then has the stamps of a right clock.
        const [other] = stage.others(site.name);
        const off = await stampsOff(other!, stage.keyspace, tied.acks);
        promise(off.length === 0, `${site.name} gave stamps that are ${off.join(', ')} ms off`);
      } else {
        const late = tied.acks.filter(({ atMs }) => atMs > wrongAtMs + REFUSED_MS_MAX);
        promise(late.length === 0, `${site.name} acked ${late.length} rows with a clock an hour off`);
      }
      acksWrong += tied.acks.length;
      await site.kill();
      await site.start();
    }
    await calm(load, 1);
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    return { clocks: size, acksWithinTwoSeconds: acksWrong, pauseMsMax: Math.round(account.outage.pauseMs) };
  },
};
