import type { Value } from '@tidemark/model/column-type';
import { planQuery } from '@tidemark/model/query';
import { SeededRandom } from '@tidemark/platform/random';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { Scan } from '../query/scan.ts';
import { ColumnFile } from '../segment/column-file.ts';
import { TABLE } from '../testing/arbitraries.ts';
import { batchOf } from '../testing/model.ts';
import type { ZstdChoice } from './compression.ts';

const FOLDER = 'travel/flights/0';
const ROWS = 3_000;

/**
 * The table filled by that many flushes: numbers that zstd halves, but for the first `regular` ones of which nearly
 * nothing is left; and texts that it makes a tenth, or one text where the numbers are to count.
 */
async function filled(
  zstd: ZstdChoice,
  flushes: number,
  regular = 0,
): Promise<{ disk: SimDisk; partition: Partition }> {
  const random = new SeededRandom(flushes);
  const disk = new SimDisk();
  const partition = await Partition.open(disk, FOLDER, { blockRows: 1024, compaction: false, zstd });
  partition.setTable(TABLE);
  for (let flush = 0; flush < flushes; flush++) {
    const rows = Array.from({ length: ROWS }, (_, i) => ({
      key: [`LAX-${String(i).padStart(6, '0')}`, flush],
      cells: new Map<number, Value>([
        [3, i < regular ? (i % 7) * 31 : Math.floor(1000 * random.fraction() ** 4)],
        [4, regular > 0 ? 'gate' : `gate closed at ${i}, the flight to Los Angeles has departed on time`],
      ]),
    }));
    const stamp = { ms: 1_700_000_000_000 + flush, counter: 0, site: 1, writer: 1 };
    partition.apply(batchOf(TABLE, rows), stamp, 'paris', { epoch: 1, seq: flush });
    await partition.flush();
  }
  return { disk, partition };
}

/** Of each column's files: blocks that are compressed, and all. */
async function packed(disk: SimDisk): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const manifest = (await disk.list(FOLDER)).findLast((name) => name.startsWith('manifest'));
  const text = Buffer.from(await disk.read(`${FOLDER}/${manifest}`)).toString();
  for (const segment of JSON.parse(text.split('\n')[0]!).segments) {
    for (const { name, bytes } of segment.files) {
      const file = await ColumnFile.open(disk, `${FOLDER}/${segment.name}/${name}`, bytes);
      found[name] = `${file.blocks.filter(({ number }) => file.zstdUnits(number) > 0).length} of ${file.blocks.length}`;
    }
  }
  return found;
}

async function text(partition: Partition): Promise<string> {
  const scan = new Scan([partition], planQuery(TABLE, { select: ['line', 'delay', 'Ziel/Ort'] }));
  const rows: unknown[] = [];
  for await (const block of scan.rows()) rows.push(...block);
  return rows
    .map((row) => JSON.stringify(row))
    .sort()
    .join('\n');
}

describe('zstd', () => {
  it('in a flush compresses only what becomes much smaller; a merge, whatever becomes smaller', async () => {
    const { disk, partition } = await filled('merged', 1);
    const before = await text(partition);
    expect(await packed(disk)).toMatchObject({
      '3-delay.col': '0 of 3',
      '4-Ziel_Ort.col': '3 of 3',
    });
    await partition.compact();
    expect(await packed(disk)).toMatchObject({
      '3-delay.col': '3 of 3',
      '4-Ziel_Ort.col': '3 of 3',
    });
    expect(await text(partition)).toBe(before);
  });

  it('leaves nothing to gain after compact(): as many bytes as if all had been tried at once, and no more work', async () => {
    for (const flushes of [1, 3, 4]) {
      const merged = await filled('merged', flushes);
      await merged.partition.compact();
      const always = await filled('always', flushes);
      await always.partition.compact();
      // Three are too few for a merge to be due, and become one only where that packs them.
      if (flushes !== 3) expect(merged.partition.segmentBytes).toBe(always.partition.segmentBytes);
      const manifest = (await merged.disk.list(FOLDER)).at(0);
      await merged.partition.compact();
      await merged.partition.close();
      const disk = merged.disk.restart();
      const again = await Partition.open(disk, FOLDER, { blockRows: 1024, compaction: false });
      await again.compact();
      expect((await disk.list(FOLDER)).at(0)).toBe(manifest);
    }
  });

  it('is not left out by compact() where a flush compressed a column at its beginning only', async () => {
    const { disk, partition } = await filled('merged', 1, 1024);
    expect(await packed(disk)).toMatchObject({ '3-delay.col': '1 of 3' });
    const before = await text(partition);
    await partition.compact();
    expect(await packed(disk)).toMatchObject({ '3-delay.col': '3 of 3' });
    expect(await text(partition)).toBe(before);
  });

  it('is as its column is set to', async () => {
    const choice = new Map([
      ['delay', 'always'],
      ['Ziel/Ort', 'never'],
    ] as const);
    const { disk, partition } = await filled(choice, 1);
    expect(await packed(disk)).toMatchObject({ '3-delay.col': '3 of 3', '4-Ziel_Ort.col': '0 of 3' });
    await partition.compact();
    expect(await packed(disk)).toMatchObject({ '3-delay.col': '3 of 3', '4-Ziel_Ort.col': '0 of 3' });
  });
});
