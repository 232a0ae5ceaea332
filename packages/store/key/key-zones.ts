/**
 * Bounds of the key columns of a memtable's keys. Rows that come in order of time have keys that no older segment has, and
 * where one column of the key tells, no filter has to be asked key by key.
 */

import { keyColumns, type Table } from '@tidemark/model/table';
import { compareRaw, type RawValue, type Zone, zoneOf } from '../encoding/zone.ts';
import type { MemtableSource } from '../memtable/memtable-source.ts';
import type { Segment } from '../segment/segment.ts';
import { splitKeys } from './key-split.ts';

/** Keys that are taken apart together: bounds memory. */
const CHUNK = 16_384;

/** Smallest and largest value of each key column in one memtable. */
export class KeyZones {
  readonly #zones: ReadonlyMap<number, Pick<Zone, 'min' | 'max'>>;

  /** The memtable has rows. */
  constructor({ memtable: { keys, rowCount } }: MemtableSource, table: Table) {
    const zones = new Map<number, Pick<Zone, 'min' | 'max'>>();
    for (let from = 0; from < rowCount; from += CHUNK) {
      const to = Math.min(from + CHUNK, rowCount);
      const { vectors } = splitKeys(table, keys, from, to);
      for (const [id, vector] of vectors) {
        const zone = zoneOf(vector, 0, to - from);
        const before = zones.get(id);
        zones.set(
          id,
          before === undefined ? zone : { min: lower(before.min, zone.min), max: upper(before.max, zone.max) },
        );
      }
    }
    this.#zones = zones;
  }

  /** False only when a key column tells that none of the keys is in the block. @throws {Fault} `corrupt` */
  async mayMeet(segment: Segment, block: number, table: Table): Promise<boolean> {
    for (const { id } of keyColumns(table)) {
      const own = this.#zones.get(id);
      const theirs = await segment.zone(block, id);
      if (own === undefined || theirs === null) continue;
      if (isAbove(own.min, theirs.max) || isAbove(theirs.min, own.max)) return false;
    }
    return true;
  }
}

/** A bound that is null is none. */
function isAbove(min: RawValue | null, max: RawValue | null): boolean {
  return min !== null && max !== null && compareRaw(min, max) > 0;
}

function lower(a: RawValue | null, b: RawValue | null): RawValue | null {
  return a === null || b === null ? null : compareRaw(a, b) <= 0 ? a : b;
}

function upper(a: RawValue | null, b: RawValue | null): RawValue | null {
  return a === null || b === null ? null : compareRaw(a, b) >= 0 ? a : b;
}
