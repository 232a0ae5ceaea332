/** Whether a segment is worth writing anew only to have it compressed. */

import { type CompressionOf, Packer, SHARE_MAX } from '../encoding/compression.ts';
import type { Segment } from '../segment/segment.ts';

/**
 * True when writing the segment anew as a merge does would save a tenth of it, as the first block of each file that is not
 * compressed tells. Never of what a merge wrote by the same choice: there those blocks were tried in vain.
 * @throws {Fault} `corrupt`: such a block is damaged.
 */
export async function isWorthCompressing(segment: Segment, compressionOf: CompressionOf): Promise<boolean> {
  let saved = 0;
  for (const held of segment.files) {
    const file = await held.open();
    const plain = file.blocks.filter(({ number }) => file.zstdUnits(number) === 0);
    const [first] = plain;
    if (first === undefined) continue;
    const raw = (await file.readRaw(first.number)).slice(first.dictionary ? 1 : 0);
    const packed = new Packer(compressionOf(file.content.column)).pack(raw);
    const bytes = plain.reduce((sum, { stored }) => sum + stored, 0);
    const left = raw.reduce((sum, unit, i) => sum + (packed[i] ?? unit).length, 0);
    if (left > 0) saved += bytes * (1 - left / raw.reduce((sum, unit) => sum + unit.length, 0));
  }
  return saved > segment.bytes * (1 - SHARE_MAX);
}
