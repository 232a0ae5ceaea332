import { isFault } from '@tidemark/platform/fault';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { Crashed, SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { applyWrite, modelUpTo, randomWrites, TABLE, type Write } from './arbitraries.ts';
import { readAll, readParts } from './read-all.ts';

const FOLDER = 'travel/flights/0';
const options = { blockRows: 4 };
const ORIGINS = ['paris', 'tokyo'];

/** Seeds of each of the two kinds of crash: `STORE_SEEDS=1000 npx vitest run packages/store/testing/crash.test.ts` for many. */
const SEEDS = Number(process.env.STORE_SEEDS ?? 40);
const SEEDS_MS = 60_000 + SEEDS * 1000;

type Promised = { seq: Record<string, number> };

/** One life of a process: opens, applies what comes after its positions, flushes and reads now and then. */
async function live(disk: SimDisk, writes: readonly Write[], random: Random, promised: Promised): Promise<void> {
  const partition = await Partition.open(disk, FOLDER, options);
  partition.setTable(TABLE);
  for (const write of writes) {
    applyWrite(partition, write);
    const act = random.fraction();
    if (act < 0.4) {
      await partition.flush();
      for (const origin of ORIGINS) promised.seq[origin] = partition.durablePosition(origin).seq;
    } else if (act < 0.5) await readAll(partition);
    else if (act < 0.6) await partition.compact();
  }
  await partition.close();
}

/** Rows equal the fold of exactly the positions found, nothing promised is lost, nothing is left lying about. */
async function expectWhole(disk: SimDisk, writes: readonly Write[], promised: Promised): Promise<void> {
  const partition = await Partition.open(disk, FOLDER, { ...options, compaction: false });
  const model = modelUpTo(writes, (origin) => partition.position(origin));
  expect(await readAll(partition)).toEqual(model.live(TABLE));
  // By their deletion vector too: each key once, and the same rows.
  const { keys, rows } = await readParts(partition);
  expect(new Set(keys).size).toBe(keys.length);
  expect(rows).toEqual(model.live(TABLE));
  for (const origin of ORIGINS) {
    expect(partition.position(origin).seq).toBeGreaterThanOrEqual(promised.seq[origin] ?? -1);
  }
  const names = await disk.list(FOLDER);
  expect(names.filter((name) => !/^(manifest\.\d+|seg-\d+)$/.test(name))).toEqual([]);
  expect(names.filter((name) => name.startsWith('manifest')).length).toBeLessThanOrEqual(2);
  expect(await strays(disk)).toEqual([]);
  expect(partition.openNotes).toEqual([]);
  await partition.close();
}

/** Segments and deletion vector that no manifest names. */
async function strays(disk: SimDisk): Promise<string[]> {
  const names = await disk.list(FOLDER);
  const named = new Set<string>();
  for (const name of names.filter((one) => one.startsWith('manifest'))) {
    const text = Buffer.from(await disk.read(`${FOLDER}/${name}`)).toString();
    for (const { name: segment, live } of JSON.parse(text.split('\n')[0]!).segments) {
      named.add(segment).add(`${segment}/${live?.name}`);
    }
  }
  const found: string[] = [];
  for (const segment of names.filter((name) => name.startsWith('seg-'))) {
    found.push(segment);
    for (const file of await disk.list(`${FOLDER}/${segment}`))
      if (file.startsWith('live-')) found.push(`${segment}/${file}`);
  }
  return found.filter((name) => !named.has(name));
}

/** Several lives on one platter, each but the last ended at a step that `next` chooses. */
async function crashes(seed: number, lives: number, powerToo: boolean): Promise<void> {
  const random = new SeededRandom(seed);
  const writes = randomWrites(random, 16);
  const promised: Promised = { seq: {} };
  let disk = new SimDisk(new SimPlatter());
  for (let life = 0; life < lives; life++) {
    const last = disk.platter.stepCount + integerBetween(random, 1, 250);
    disk.hook = (step) => (step.number >= last ? 'crash' : 'ok');
    await live(disk, writes, random, promised).catch((error: unknown) => {
      if (!(error instanceof Crashed)) throw error;
    });
    disk = disk.restart(powerToo && random.fraction() < 0.7 ? random : undefined);
    await expectWhole(disk, writes, promised);
    disk = disk.restart(powerToo ? random : undefined);
  }
  await live(disk, writes, random, promised);
  await expectWhole(disk.restart(), writes, promised);
}

describe('partition on a failing disk', () => {
  it(
    'killed at any step, it reopens as the fold of exactly its positions',
    async () => {
      for (let seed = 0; seed < SEEDS; seed++) await crashes(seed, 3, false);
    },
    SEEDS_MS,
  );

  it(
    'the same when the power goes and unsynced bytes and names are lost or torn',
    async () => {
      for (let seed = 100_000; seed < 100_000 + SEEDS; seed++) await crashes(seed, 3, true);
    },
    SEEDS_MS,
  );

  it('killed at each single step of a flush and a compaction in turn', async () => {
    const writes = randomWrites(new SeededRandom(77), 8);
    for (let step = 1; ; step++) {
      const disk = new SimDisk();
      disk.hook = ({ number }) => (number === step ? 'crash' : 'ok');
      const promised: Promised = { seq: {} };
      const error = await flushEach(disk, writes, promised).catch((e: unknown) => e);
      await expectWhole(disk.restart(new SeededRandom(step)), writes, promised);
      if (error === undefined) break;
    }
  }, 240_000);

  it('keeps what it has in memory when the disk is full, and flushes it when there is room again', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = new SeededRandom(seed);
      const writes = randomWrites(random, 16);
      const disk = new SimDisk();
      let full = false;
      disk.hook = ({ kind }) => (full && ['create', 'append', 'sync', 'makeFolder'].includes(kind) ? 'full' : 'ok');
      const partition = await Partition.open(disk, FOLDER, options);
      partition.setTable(TABLE);
      for (const write of writes) {
        applyWrite(partition, write);
        full = random.fraction() < 0.5;
        if (random.fraction() < 0.5) {
          const error: unknown = await partition.flush().catch((e: unknown) => e);
          if (error !== undefined) expect(isFault(error, 'unavailable')).toBe(true);
        }
      }
      full = false;
      await partition.flush();
      await partition.compact();
      // What was written in vain takes no room.
      expect((await disk.list(FOLDER)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      expect(await strays(disk)).toEqual([]);
      await partition.close();
      const promised = { seq: Object.fromEntries(ORIGINS.map((origin) => [origin, partition.position(origin).seq])) };
      await expectWhole(disk.restart(new SeededRandom(seed)), writes, promised);
    }
  }, 120_000);

  it('refuses every flush after an I/O error, and is whole when opened again', async () => {
    const writes = randomWrites(new SeededRandom(5), 12);
    for (let step = 15; step < 120; step += 3) {
      const disk = new SimDisk();
      disk.hook = ({ number, kind }) => (number >= step && kind !== 'read' ? 'eio' : 'ok');
      const partition = await Partition.open(disk, FOLDER, options);
      const promised: Promised = { seq: {} };
      const failed: unknown = await flushEach(disk, writes, promised, partition).catch((e: unknown) => e);
      expect(String(failed)).toContain('EIO');
      disk.hook = () => 'ok';
      await expect(partition.flush()).rejects.toThrow('EIO');
      await expectWhole(disk.restart(new SeededRandom(step)), writes, promised);
    }
  });

  it('falls back to the manifest before when the newest is damaged, also after a compaction', async () => {
    const writes = randomWrites(new SeededRandom(21), 9);
    const disk = new SimDisk();
    const partition = await Partition.open(disk, FOLDER, { ...options, compaction: false });
    partition.setTable(TABLE);
    for (const write of writes) {
      applyWrite(partition, write);
      await partition.flush();
      await partition.compact();
      const newest = (await disk.list(FOLDER)).findLast((name) => name.startsWith('manifest'))!;
      const damaged = copyOf(disk);
      const file = await damaged.create(`${FOLDER}/${newest}`);
      await file.append(Buffer.from('{"format":1'));
      const again = await Partition.open(damaged, FOLDER, options).catch((error: unknown) => error);
      if (write === writes[0]) {
        expect(isFault(again, 'corrupt')).toBe(true);
        continue;
      }
      expect((again as Partition).openNotes).toEqual([expect.stringContaining(newest)]);
      const model = modelUpTo(writes, (origin) => (again as Partition).position(origin));
      expect(await readAll(again as Partition)).toEqual(model.live(TABLE));
      expect(model.live(TABLE).length).toBeGreaterThan(0);
    }
  });

  it('finds every flipped bit: it is refused, or an older whole manifest is used', async () => {
    const writes = randomWrites(new SeededRandom(9), 6);
    const disk = new SimDisk();
    await flushEach(disk, writes, { seq: {} });
    const files = await filesOf(disk, FOLDER);
    const random = new SeededRandom(1);
    for (let turn = 0; turn < 800; turn++) {
      const path = files[integerBetween(random, 0, files.length - 1)]!;
      const { folder, name } = {
        folder: path.slice(0, path.lastIndexOf('/')),
        name: path.slice(path.lastIndexOf('/') + 1),
      };
      const inode = disk.platter.folders.get(folder)!.get(name)!;
      if (inode === 'folder') continue;
      const at = integerBetween(random, 0, inode.length - 1);
      const bit = 1 << integerBetween(random, 0, 7);
      inode.bytes[at]! ^= bit;
      try {
        const copy = copyOf(disk);
        const partition = await Partition.open(copy, FOLDER, { ...options, compaction: false });
        const model = modelUpTo(writes, (origin) => partition.position(origin));
        expect(await readAll(partition)).toEqual(model.live(TABLE));
      } catch (error) {
        // A flipped version number reads as a newer version.
        if (!isFault(error, 'corrupt') && !isFault(error, 'invalid')) throw error;
        expect(String(error)).toMatch(/manifest\.|\.col/);
      }
      inode.bytes[at]! ^= bit;
    }
  }, 120_000);
});

/** Applies and flushes one write at a time, compacting at the end. */
async function flushEach(
  disk: SimDisk,
  writes: readonly Write[],
  promised: Promised,
  given?: Partition,
): Promise<void> {
  const partition = given ?? (await Partition.open(disk, FOLDER, { ...options, compaction: false }));
  partition.setTable(TABLE);
  for (const write of writes) {
    applyWrite(partition, write);
    await partition.flush();
    for (const origin of ORIGINS) promised.seq[origin] = partition.durablePosition(origin).seq;
  }
  await partition.compact();
  await partition.close();
}

async function filesOf(disk: SimDisk, folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of await disk.list(folder)) {
    const inside = await filesOf(disk, `${folder}/${name}`);
    files.push(...(inside.length > 0 ? inside : [`${folder}/${name}`]));
  }
  return files;
}

/** The same files on a platter of their own, so that opening does not change the original. */
function copyOf(disk: SimDisk): SimDisk {
  const platter = new SimPlatter();
  for (const [path, folder] of disk.platter.folders) platter.folders.set(path, new Map(folder));
  return new SimDisk(platter);
}
