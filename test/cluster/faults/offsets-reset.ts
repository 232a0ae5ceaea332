/**
 * Row 15: where a site reads on is forgotten, or said to be the end. Nothing of ours reads in a consumer group, so there
 * is none to reset; what stands in its place are the checkpoints a site keeps, and those are hints: the records
 * themselves say what comes next.
 */

import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { settle } from '@tidemark/cli/drill/account';
import type { DevSite } from '@tidemark/dev/sites';
import { topicNames } from '@tidemark/model/table';
import {
  calm,
  type FaultRow,
  loadOf,
  promise,
  promiseBalance,
  TAKEOVER_MS_MAX,
  type Trial,
} from './stage/fault-row.ts';
import { foldOf, logAt } from './stage/fold-of.ts';
import { groupsAt } from './stage/groups-at.ts';

const AWAY_MS = 1_500;
/** Longer than from one checkpoint to the next, and no longer than what moves nobody. */
const CHECKPOINT_MS = 2_500;
const LEVEL_MS_MAX = 30_000;
const LOOK_MS = 500;
const RESETS = ['start', 'end'] as const;

type Copied = { readonly tail: object; readonly originOffset: number } | null;

/** While the same term goes on, as the next election would have everybody filled up by the others. */
async function untilLevel({ stage }: Trial, site: DevSite, origin: string): Promise<void> {
  const { accepted } = await foldOf(stage.site(origin), stage.keyspace, origin);
  for (const untilMs = performance.now() + LEVEL_MS_MAX; performance.now() < untilMs; await sleep(LOOK_MS)) {
    if ((await foldOf(site, stage.keyspace, origin)).accepted >= accepted) return;
  }
  promise(false, `${site.name} skipped records of ${origin}: it has not all ${accepted} after ${LEVEL_MS_MAX} ms`);
}

/** Everything a site remembers of where it was is gone. */
async function toStart(site: DevSite): Promise<void> {
  await rm(join(site.folder, 'checkpoints'), { recursive: true, force: true });
}

/** Every mirror of the site is told that it has copied the origin's log to its end. */
async function toEnd({ stage }: Trial, site: DevSite): Promise<number> {
  const folder = join(site.folder, 'checkpoints', 'mirror');
  let moved = 0;
  for (const name of await readdir(folder)) {
    const origin = name.slice(stage.keyspace.length + 1, -'.json'.length);
    if (name !== `${stage.keyspace}-${origin}.json` || origin === site.name) continue;
    const copied = JSON.parse(await readFile(join(folder, name), 'utf8')) as Copied[];
    await using log = await logAt(stage.site(origin));
    for (const [partition, one] of copied.entries()) {
      if (one === null) continue;
      const { end } = await log.bounds(topicNames.log(stage.keyspace, origin), partition);
      if (end - 1 > one.originOffset) moved++;
      copied[partition] = { ...one, originOffset: end - 1 };
    }
    await writeFile(join(folder, name), JSON.stringify(copied));
  }
  return moved;
}

export const offsetsReset: FaultRow = {
  row: 15,
  fault: 'where a site reads on is reset to the start, or to the end',
  promise: 'no record is skipped, none counts twice; no consumer group is there to be reset',
  sizeIs: 'resets of a replica, to the start and to the end in turn, and one of the primary',
  small: 2,
  large: 20,
  // A gap that does not close is looked into after ten seconds: without the check of the hint it would only take longer.
  mutants: ['hint-is-believed+stuck-for-ever'],
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    await calm(load, 1);
    const before = await stage.primary(TAKEOVER_MS_MAX);
    const faultAtMs = Date.now();
    for (let n = 0; n <= size; n++) {
      const site = n === size ? stage.site(before.site) : stage.others(before.site)[n % 2]!;
      const reset = n === size ? 'start' : RESETS[n % RESETS.length]!;
      // Cut off first, so that its checkpoint has all it copied: of what came later its own copy would tell the place.
      if (n < size) {
        stage.links!.cutOff(site.name);
        await sleep(CHECKPOINT_MS);
      }
      await site.kill();
      stage.links!.heal();
      const moved = reset === 'start' ? null : await toEnd(trial, site);
      if (reset === 'start') await toStart(site);
      say(
        `${site.name} is told to read on from the ${reset}${moved === null ? '' : `, in ${moved} partitions beyond what it has`}`,
      );
      promise(moved === null || moved > 0, 'there was something to skip');
      await site.start();
      await calm(load, 1);
      if (n < size) await untilLevel(trial, site, before.site);
    }
    const groups = (await Promise.all(stage.sites.map(groupsAt))).flat();
    promise(groups.length === 0, `there are consumer groups: ${groups.join(', ')}`);
    const account = await settle(stage, folder, load, { faultAtMs, untilMs: Date.now() });
    promiseBalance(account, account.examples);
    await sleep(AWAY_MS);
    let repeated = 0;
    const origin = await foldOf(stage.site(before.site), stage.keyspace, before.site);
    for (const site of stage.others(before.site)) {
      const copy = await foldOf(site, stage.keyspace, before.site);
      // Barriers go on being written while one copy after the other is read.
      const isWhole = copy.accepted >= origin.accepted;
      promise(isWhole, `${site.name} has ${copy.accepted} records of ${before.site}, there are ${origin.accepted}`);
      repeated += copy.repeated;
    }
    return { resets: size + 1, groups: 0, records: origin.accepted, repeated };
  },
};
