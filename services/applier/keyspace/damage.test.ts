/**
 * Whatever became of a site's files while it was stopped (a flipped bit, an epoch end, a file or folder gone, an older copy put
 * back), no wrong answer is served: a row is what it was, or nothing is read and the reason is told. The site comes back by
 * itself, with every file whole.
 */

import { type JsonRow, keyFromSegments } from '@tidemark/columnar/json-rows';
import { isFault } from '@tidemark/platform/fault';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunningKeyspace } from '../running.ts';
import { digest, eventually, LOG, row, TestSite } from '../testing/fake-site.ts';
import { PartitionMaker, sampleKeyspace } from '../testing/log-maker.ts';

/** 3,000 take a minute, as in `DAMAGE_RUNS=3000 npx vitest run --testTimeout 600000 services/applier/keyspace/damage.test.ts`. */
const RUNS = Number(process.env.DAMAGE_RUNS ?? 200);
const KEYSPACE = sampleKeyspace();
/** The second version has one column more, `x`. */
const TABLE = KEYSPACE.tables[0]!;
const WIDE = sampleKeyspace({
  version: 2,
  tables: [{ ...TABLE, columns: [...TABLE.columns, { id: 4, name: 'x', type: { name: 'long' }, dropped: false }] }],
});
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5'];

/** Three stretches of each partition's log: rows, rows with a new column, and rows again. */
function makeLogs(): Buffer[][][] {
  return [0, 1].map((partition) => {
    const maker = new PartitionMaker(WIDE, 'paris', partition);
    const schema = JSON.stringify(WIDE);
    maker.schemaVersion = 1;
    const narrow = [maker.genesis(), maker.start(1), maker.rows([row(0, 1), row(1, 2)]), maker.rows([row(2, 3)])];
    maker.schemaVersion = 2;
    const wide = (k: number, v: number): JsonRow => ({ ...row(k, v), x: v * 10 });
    return [
      narrow,
      [maker.record({ kind: 'Schema', version: 2, keyspace: schema }), maker.rows([wide(0, 4), wide(3, 5)])],
      [maker.rows([wide(1, 6), { k: 'k2', $delete: true }]), maker.rows([wide(4, 7), wide(5, 8)])],
    ];
  });
}

type Files = ReadonlyMap<string, Buffer>;

/** All files of a disk but the log's, by path. */
async function filesOf(disk: SimDisk, folder = '.'): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await disk.list(folder)) {
    const path = folder === '.' ? name : `${folder}/${name}`;
    if (disk.platter.folders.has(path)) for (const [at, bytes] of await filesOf(disk, path)) files.set(at, bytes);
    else files.set(path, Buffer.from(await disk.read(path)));
  }
  return files;
}

async function diskWith(files: Files): Promise<SimDisk> {
  const disk = new SimDisk(new SimPlatter());
  for (const [path, bytes] of files) {
    if (path.includes('/')) await disk.makeFolder(path.slice(0, path.lastIndexOf('/')));
    const file = await disk.create(path);
    await file.append(bytes);
    await file.close();
  }
  return disk;
}

const last = (count: number): string => `1:${count}`;
const logs = makeLogs();
const lengths = logs[0]!.map((_, i) => logs[0]!.slice(0, i + 1).flat().length - 2);

/** A site that has applied and flushed the first stretches of the log. */
async function siteWith(stretches: number, files: Files): Promise<{ site: TestSite; running: RunningKeyspace }> {
  const site = new TestSite();
  site.disk = await diskWith(files);
  for (const [partition, some] of logs.entries()) await site.append(LOG, partition, some.slice(0, stretches).flat());
  const running = await site.run(KEYSPACE);
  return { site, running };
}

function isAt(running: RunningKeyspace, stretches: number): boolean {
  const applier = running.applier;
  if (applier === null || applier.readGate.refusal !== null) return false;
  return [0, 1].every((p) => {
    const { epoch, seq } = applier.origins.applied('paris', p);
    return `${epoch}:${seq}` === last(lengths[stretches - 1]!);
  });
}

/** Files after each flush. */
async function history(): Promise<Files[]> {
  let files: Files = new Map();
  const all: Files[] = [];
  for (const stretches of [1, 2, 3]) {
    const { site, running } = await siteWith(stretches, files);
    await eventually(() => isAt(running, stretches));
    await running.applier!.flush();
    await running[Symbol.asyncDispose]();
    files = await filesOf(site.disk as SimDisk);
    all.push(files);
  }
  return all;
}

/** Every row as it is read, in words; null where reading was refused. */
async function rowsOf(running: RunningKeyspace): Promise<string | null> {
  try {
    const applier = running.readable;
    const { table, partitions } = applier.stores.tableStore(1)!;
    const rows: string[] = [];
    for (const key of KEYS) {
      for (const partition of partitions) {
        const found = await partition.get(keyFromSegments(table, [key]));
        rows.push(JSON.stringify(found?.cells.map(({ column, value }) => [column, String(value)]) ?? null));
      }
    }
    return `${table.columns.length}: ${rows.join()}`;
  } catch (error) {
    const wrong = running.applier?.noteDamage(error) === true;
    if (wrong || isFault(error, 'unavailable')) return null;
    throw error;
  }
}

type Harm = (files: Map<string, Buffer>, path: string, before: Files) => void;

const flip =
  (bit: number): Harm =>
  (files, path) => {
    const bytes = Buffer.from(files.get(path)!);
    bytes[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7);
    files.set(path, bytes);
  };
const cut =
  (part: number): Harm =>
  (files, path) => {
    const bytes = files.get(path)!;
    files.set(path, bytes.subarray(0, Math.floor(bytes.length * part)));
  };
const removed: Harm = (files, path) => files.delete(path);
const folderRemoved =
  (up: number): Harm =>
  (files, path) => {
    const folder = path.split('/').slice(0, -up).join('/');
    for (const other of [...files.keys()]) if (other === path || other.startsWith(`${folder}/`)) files.delete(other);
  };
const older: Harm = (files, path, before) => {
  const old = before.get(path);
  if (old === undefined) files.delete(path);
  else files.set(path, old);
};
/** A whole folder as it was, without what came later. */
const olderFolder =
  (up: number): Harm =>
  (files, path, before) => {
    const folder = path.split('/').slice(0, -up).join('/');
    folderRemoved(up)(files, path, before);
    for (const [other, bytes] of before) if (other.startsWith(`${folder}/`)) files.set(other, bytes);
  };

const harms = fc.oneof(
  { weight: 4, arbitrary: fc.nat(1 << 16).map((bit) => ({ name: `flip ${bit}`, harm: flip(bit) })) },
  fc.double({ min: 0, max: 0.99, noNaN: true }).map((part) => ({ name: `cut ${part}`, harm: cut(part) })),
  fc.constant({ name: 'removed', harm: removed }),
  fc.integer({ min: 1, max: 3 }).map((up) => ({ name: `folder ${up} removed`, harm: folderRemoved(up) })),
  fc.constant({ name: 'older', harm: older }),
  fc.integer({ min: 1, max: 3 }).map((up) => ({ name: `older folder ${up}`, harm: olderFolder(up) })),
);

describe('a site whose files were damaged while it was stopped', () => {
  it('serves no wrong row, and comes back by itself with every file whole', async () => {
    const flushed = await history();
    const whole = flushed[2]!;
    const reference = await siteWith(3, whole);
    await eventually(() => isAt(reference.running, 3));
    const expected = await rowsOf(reference.running);
    const expectedDigest = await digest(reference.running.applier!);
    await reference.running[Symbol.asyncDispose]();
    const kinds = Map.groupBy(whole.keys(), (path) => path.replace(/^.*\//, '').replace(/\d+/g, ''));
    const path = fc.constantFrom(...kinds.values()).chain((paths) => fc.constantFrom(...paths));
    const asked = fc.record({ path, harm: harms, since: fc.constantFrom(0, 1) });
    await fc.assert(
      fc.asyncProperty(asked, async ({ path, harm, since }) => {
        const files = new Map(whole);
        harm.harm(files, path, flushed[since]!);
        const { site, running } = await siteWith(3, files);
        const seen = async (): Promise<void> => {
          const rows = await rowsOf(running);
          if (rows !== null) expect(rows).toBe(expected);
        };
        await seen();
        for (let turn = 0; turn < 1_000 && !isAt(running, 3); turn++) {
          await new Promise((resolve) => setTimeout(resolve, 2));
          await seen();
        }
        await eventually(() => isAt(running, 3));
        // What nothing has read yet is read now.
        for (let turn = 0; turn < 10; turn++) {
          const problem = await running.applier?.stores
            .partitions(0)
            .concat(running.applier.stores.partitions(1))
            .reduce(
              async (before, store) =>
                (await before) ??
                store.verify().then(
                  () => null,
                  (e: unknown) => e,
                ),
              Promise.resolve<unknown>(null),
            );
          if (problem == null) break;
          const before = running.applier;
          expect(before?.noteDamage(problem)).toBe(true);
          await eventually(() => running.applier !== before || running.applier?.readGate.refusal !== null);
          await eventually(() => isAt(running, 3));
        }
        await seen();
        expect(await digest(running.applier!)).toBe(expectedDigest);
        expect(site.fatal).toEqual([]);
        await running[Symbol.asyncDispose]();
      }),
      { numRuns: RUNS },
    );
  });
});
