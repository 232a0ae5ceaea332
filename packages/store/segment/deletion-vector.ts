/**
 * Which rows of a segment are live: the newest form of their key among all segments. A flush that writes a key anew clears
 * the bit of its older row, so a scan never looks for a newer one. Never changed once made: readers keep theirs.
 *
 * In `live-<generation>.col`, as blocks of a column file of kind u8: 1 live, 0 not; blocks in which all are live are left out.
 */

export class DeletionVector {
  /** Bit `row & 7` of byte `row >> 3` is set when the row is live. In memory that threads share. */
  readonly bits: Uint8Array;
  readonly rowCount: number;
  /** Rows that are not live. */
  readonly deadCount: number;

  constructor(bits: Uint8Array, rowCount: number, deadCount: number) {
    this.bits = bits;
    this.rowCount = rowCount;
    this.deadCount = deadCount;
  }

  isLive(row: number): boolean {
    return (this.bits[row >> 3]! & (1 << (row & 7))) !== 0;
  }

  /** True when every row `from … to` is live. */
  allLive(from: number, to: number): boolean {
    let row = from;
    for (; row < to && (row & 7) !== 0; row++) if (!this.isLive(row)) return false;
    for (; row + 8 <= to; row += 8) if (this.bits[row >> 3] !== 0xff) return false;
    for (; row < to; row++) if (!this.isLive(row)) return false;
    return true;
  }

  /** False when the bits of rows `from … to` are as in `then`, where null stands for all live. Looks at whole bytes. */
  clearedSince(then: DeletionVector | null, from: number, to: number): boolean {
    const end = Math.min((to + 7) >> 3, this.bits.length);
    for (let at = from >> 3; at < end; at++) if (this.bits[at] !== (then?.bits[at] ?? 0xff)) return true;
    return false;
  }

  /** Those of the rows `from … to` that are live, counted from `from`. */
  rows(from: number, to: number): Uint32Array {
    const rows = new Uint32Array(to - from + 1);
    const { bits } = this;
    let count = 0;
    // Without branches: each row is written, and counts when its bit is set.
    for (let row = from; row < to; row++) {
      rows[count] = row - from;
      count += (bits[row >> 3]! >> (row & 7)) & 1;
    }
    return rows.subarray(0, count);
  }

  /** Per row of `from … to` 1 where live, 0 where not. */
  flags(from: number, to: number): Uint8Array {
    const flags = new Uint8Array(to - from);
    for (let row = from; row < to; row++) flags[row - from] = (this.bits[row >> 3]! >> (row & 7)) & 1;
    return flags;
  }
}

/** The same with some more rows not live; null stands for "all are". Rows that are not live already change nothing. */
export function withoutRows(live: DeletionVector | null, rowCount: number, rows: Uint32Array): DeletionVector | null {
  if (rows.length === 0) return live;
  const bits = live === null ? allSet(rowCount) : copyOf(live.bits);
  let dead = live?.deadCount ?? 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if ((bits[row >> 3]! & (1 << (row & 7))) === 0) continue;
    bits[row >> 3]! &= ~(1 << (row & 7));
    dead++;
  }
  return new DeletionVector(bits, rowCount, dead);
}

/** A bit a row, all of them set: every row is live. In shared memory, so that merge threads can have it. */
export function allSet(rowCount: number): Uint8Array {
  return shared(Math.ceil(rowCount / 8)).fill(0xff);
}

function copyOf(bits: Uint8Array): Uint8Array {
  const copy = shared(bits.length);
  copy.set(bits);
  return copy;
}

function shared(bytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(bytes));
}
