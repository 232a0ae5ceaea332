/** The deletion vector of a segment on disk: `live-<generation>.col` in its folder, named by that generation's manifest. */

import { ColumnVector } from '@tidemark/columnar/column-vector';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import { decodeBlock } from '../encoding/block-decoder.ts';
import { encodeBlock } from '../encoding/block-encoder.ts';
import { hasValue } from '../encoding/chunk.ts';
import { ColumnFile } from './column-file.ts';
import { ColumnFileWriter, uncut } from './column-file-writer.ts';
import { allSet, DeletionVector } from './deletion-vector.ts';
import type { DeletionVectorFile } from './manifest.ts';
import type { Segment } from './segment.ts';

/** The file's name for a manifest generation, `live-000042.col`. */
export function liveName(generation: number): string {
  return `live-${String(generation).padStart(6, '0')}.col`;
}

/** Durable on return, its name too. @throws {Fault} `unavailable`: disk full; the caller removes what is there. */
export async function writeDeletionVector(
  disk: Disk,
  path: string,
  segment: Segment,
  live: DeletionVector,
): Promise<DeletionVectorFile> {
  const file = await ColumnFileWriter.create(disk, path, { column: null, kind: 'u8' }, 'tried');
  const folder = path.slice(0, path.lastIndexOf('/'));
  const vector = new ColumnVector('u8');
  try {
    for (const [block, { rowCount }] of segment.blocks.entries()) {
      const first = segment.firstRows[block]!;
      if (live.allLive(first, first + rowCount)) continue;
      const flags = live.flags(first, first + rowCount);
      let values = 0;
      for (let row = 0; row < rowCount; row++) {
        values += flags[row]!;
        vector.setNumber(row, flags[row]!);
      }
      const notes = { rows: rowCount, values, deleted: rowCount - values, min: null, max: null };
      const parts = uncut([encodeBlock(vector, 0, rowCount)], rowCount);
      await file.addBlock(block, parts, { ...notes, stampMin: null, stampMax: null });
    }
    const summary = await file.finish();
    await disk.syncFolder(folder);
    return { name: path.slice(folder.length + 1), ...summary, dead: live.deadCount };
  } catch (error) {
    await file.abandon().catch(() => undefined);
    throw error;
  }
}

/** @throws {Fault} `corrupt`: not what the manifest says. */
export async function readDeletionVector(
  disk: Disk,
  folder: string,
  segment: Segment,
  named: DeletionVectorFile,
): Promise<DeletionVector> {
  const file = await ColumnFile.open(disk, `${folder}/${named.name}`, named.bytes);
  const bits = allSet(segment.summary.rows);
  let dead = 0;
  for (const { number } of file.blocks) {
    const block = segment.blocks[number];
    const section = (await file.readBlock(number)).units[0]?.[0];
    if (block === undefined || section === undefined) {
      throw new Fault('corrupt', `${file.path}, block ${number}: the segment has ${segment.blocks.length}`, {
        got: number,
        path: file.path,
      });
    }
    const chunk = decodeBlock(section, block.rowCount, 'u8');
    if (chunk.form !== 'numbers') continue;
    for (let i = 0; i < block.rowCount; i++) {
      if (hasValue(chunk, i) && chunk.data[i] === 1) continue;
      const row = segment.firstRows[number]! + i;
      bits[row >> 3]! &= ~(1 << (row & 7));
      dead++;
    }
  }
  if (dead === named.dead) return new DeletionVector(bits, segment.summary.rows, dead);
  const message = `${file.path}: ${dead} rows are not live, the manifest says ${named.dead}`;
  throw new Fault('corrupt', message, { got: dead, expected: named.dead, path: file.path });
}
