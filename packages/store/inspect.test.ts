import { SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { inspectPartition, type PartitionReport } from './inspect.ts';
import { Partition } from './partition.ts';
import { applyWrite, randomWrites, TABLE } from './testing/arbitraries.ts';
import { readAll } from './testing/read-all.ts';

const FOLDER = 'travel/flights/0';

/** A partition of three flushes, and what is said of it. */
async function written(): Promise<{ disk: SimDisk; live: number; report: PartitionReport }> {
  const disk = new SimDisk();
  const partition = await Partition.open(disk, FOLDER, { blockRows: 8, compaction: false });
  partition.setTable(TABLE);
  const writes = randomWrites(new SeededRandom(7), 60);
  for (const [i, write] of writes.entries()) {
    applyWrite(partition, write);
    if (i % 20 === 19) await partition.flush();
  }
  const live = (await readAll(partition)).length;
  await partition.close();
  return { disk, live, report: (await inspectPartition(disk, FOLDER, true))! };
}

async function bytesBelow(disk: SimDisk, folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await disk.list(folder)) {
    const path = `${folder}/${name}`;
    if (/\.col$|^manifest/.test(name)) files.set(path, Buffer.from(await disk.read(path)));
    else for (const [below, bytes] of await bytesBelow(disk, path)) files.set(below, bytes);
  }
  return files;
}

async function replace(disk: SimDisk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.create(path);
  await file.append(bytes);
  await file.sync();
  await file.close();
}

describe('inspecting a partition', () => {
  it('is null where no partition lies', async () => {
    expect(await inspectPartition(new SimDisk(), FOLDER, true)).toBe(null);
  });

  it('tells segments, positions, and every file with its bytes', async () => {
    const { disk, live, report } = await written();
    expect(report).toMatchObject({ folder: FOLDER, table: 'flights', damage: [] });
    expect(Object.keys(report.positions).sort()).toEqual(['paris', 'tokyo']);
    expect(report.segments).toHaveLength(3);
    expect(report.live).toBeGreaterThanOrEqual(live);
    expect(report.live).toBeLessThan(report.rows);
    expect(report.segments.reduce((sum, segment) => sum + segment.live, 0)).toBe(report.live);
    for (const { name, bytes, files } of report.segments) {
      expect(files.map(({ file }) => file).sort()).toEqual(
        (await disk.list(`${FOLDER}/${name}`)).filter((file) => !file.startsWith('live-')).sort(),
      );
      expect(bytes).toBe(files.reduce((sum, file) => sum + file.bytes, 0));
      for (const file of files) {
        expect(Object.values(file.encodings).reduce((sum, blocks) => sum + blocks, 0)).toBe(file.blocks);
        expect(Object.keys(file.encodings).join()).not.toContain('encoding');
      }
    }
  });

  it('tells bounds as values of their columns', async () => {
    const { report } = await written();
    const bounds = (column: string) =>
      report.segments.flatMap(({ files }) => files.filter((file) => file.column === column).map((f) => [f.min, f.max]));
    for (const [min, max] of bounds('delay')) expect([typeof min, typeof max]).toEqual(['number', 'number']);
    for (const [min, max] of bounds('price')) expect(`${min} ${max}`).toMatch(/^-?\d+\.\d\d -?\d+\.\d\d$/);
    expect(bounds('day').flat()).toContain('0000-01-01');
    expect(bounds('seen').length).toBeGreaterThan(0);
  });

  it('changes nothing', async () => {
    const { disk } = await written();
    await replace(disk, `${FOLDER}/manifest.000999.tmp`, Buffer.from('half'));
    const before = await bytesBelow(disk, FOLDER);
    await inspectPartition(disk, FOLDER, true);
    expect(await bytesBelow(disk, FOLDER)).toEqual(before);
  });

  it('names every byte that is not as it was written, with both sums, and goes on', async () => {
    const { disk, report } = await written();
    const random = new SeededRandom(11);
    for (const [path, bytes] of await bytesBelow(disk, FOLDER)) {
      if (!report.segments.some(({ name, files }) => files.some(({ file }) => path === `${FOLDER}/${name}/${file}`)))
        continue;
      const wrong = Buffer.from(bytes);
      wrong[Math.floor(random.fraction() * bytes.length)]! ^= 1 << Math.floor(random.fraction() * 8);
      await replace(disk, path, wrong);
      const { damage, segments } = (await inspectPartition(disk, FOLDER, true))!;
      expect(damage[0]).toContain(path);
      expect(damage[0]).toMatch(/found .* expected/);
      const files = segments.flatMap((segment) => segment.files).length;
      expect(files).toBeGreaterThanOrEqual(report.segments.flatMap((segment) => segment.files).length - 1);
      await replace(disk, path, bytes);
    }
  });

  it('refuses what a newer version wrote, saying both', async () => {
    const { disk, report } = await written();
    const path = `${FOLDER}/manifest.${String(report.generation).padStart(6, '0')}`;
    const [json] = Buffer.from(await disk.read(path))
      .toString('utf8')
      .split('\n');
    const newer = json!.replace(/"format":\d+/, '"format":99');
    const { crc32 } = await import('node:zlib');
    await replace(disk, path, Buffer.from(`${newer}\ncrc32 ${crc32(newer).toString(16).padStart(8, '0')}\n`));
    await expect(inspectPartition(disk, FOLDER, false)).rejects.toMatchObject({
      kind: 'invalid',
      message: /version 99.*version \d/,
    });
  });
});
