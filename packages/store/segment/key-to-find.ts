/** A key that is looked for, and what is made of it on the way. */

import type { Physical } from '@tidemark/model/column-type';
import { xxh32 } from '@tidemark/model/hash';
import type { Table } from '@tidemark/model/table';
import { hashOfKey } from '../key/key-hash.ts';
import { keyKindsOf } from '../key/key-search.ts';

/** A key as it is looked for in several segments. One is made for every get: as `Lookup`, without private fields. */
export class KeyToFind {
  readonly bytes: Uint8Array;
  readonly table: Table;
  /** The hashes, once they were asked for. */
  madeFilterHash: number | null = null;
  madeTableHash: number | null = null;

  constructor(table: Table, bytes: Uint8Array) {
    this.bytes = bytes;
    this.table = table;
  }

  /** Of the table's key columns. */
  get kinds(): readonly Physical[] {
    return keyKindsOf(this.table);
  }

  /** That filters know it by. */
  get filterHash(): number {
    this.madeFilterHash ??= xxh32(this.bytes, 0, this.bytes.length);
    return this.madeFilterHash;
  }

  /** That key tables know it by. */
  get tableHash(): number {
    this.madeTableHash ??= hashOfKey(this.bytes);
    return this.madeTableHash;
  }
}
