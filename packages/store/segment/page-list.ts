/**
 * The directory of a column file: a page is what is read, checked and unpacked by itself, a block's dictionary or one of
 * its units. For each page, u32 stored bytes (the highest bit: they are one zstd frame) and u32 CRC-32 of these. In
 * `key.col` the separators follow: for each unit of a block but the first, u32 length and the shortest bytes that are
 * above every key before the unit and not above its first.
 */

/** In the length of a page: its bytes are one zstd frame. */
const ZSTD = 0x8000_0000;

/** The pages of a file that is being written, in order. */
export class PageList {
  readonly #words: number[] = [];
  readonly #separators: Uint8Array[] = [];

  add(stored: number, isZstd: boolean, crc: number): void {
    this.#words.push((stored | (isZstd ? ZSTD : 0)) >>> 0, crc >>> 0);
  }

  addSeparators(separators: readonly Uint8Array[]): void {
    for (const separator of separators) {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(separator.length);
      this.#separators.push(length, separator);
    }
  }

  bytes(): Buffer {
    const words = Buffer.alloc(this.#words.length * 4);
    for (const [i, word] of this.#words.entries()) words.writeUInt32LE(word, i * 4);
    return Buffer.concat([words, ...this.#separators]);
  }
}

/** The pages of a file, by their numbers, and the separators behind them. */
export class Pages {
  readonly #words: Uint32Array;
  /** Of each page where it ends, in bytes from the first on. */
  readonly #ends: Float64Array;
  readonly #bytes: Buffer;
  /** Where each separator begins behind its length, and the end of the last. */
  readonly #separatorsAt: Uint32Array;

  /** Null when these are not so many pages and separators and nothing else. */
  static of(bytes: Buffer, pages: number, separators: number): Pages | null {
    const ends = new Uint32Array(separators + 1);
    let at = pages * 8;
    for (let i = 0; i < separators; i++) {
      if (at + 4 > bytes.length) return null;
      ends[i] = at + 4;
      at += 4 + bytes.readUInt32LE(at);
    }
    ends[separators] = at + 4;
    return at === bytes.length ? new Pages(bytes, pages, ends) : null;
  }

  private constructor(bytes: Buffer, pages: number, separatorsAt: Uint32Array) {
    this.#words = Uint32Array.from({ length: pages * 2 }, (_, i) => bytes.readUInt32LE(i * 4));
    this.#ends = new Float64Array(pages);
    for (let page = 0, end = 0; page < pages; page++) {
      end += this.stored(page);
      this.#ends[page] = end;
    }
    this.#separatorsAt = separatorsAt;
    this.#bytes = separatorsAt.length > 1 ? Buffer.from(bytes) : Buffer.alloc(0);
  }

  stored(page: number): number {
    return (this.#words[page * 2]! & ~ZSTD) >>> 0;
  }

  isZstd(page: number): boolean {
    return this.#words[page * 2]! >= ZSTD;
  }

  crc(page: number): number {
    return this.#words[page * 2 + 1]!;
  }

  /** Bytes from the first page's first on. */
  at(page: number): number {
    return page === 0 ? 0 : this.#ends[page - 1]!;
  }

  /** So many of the separators from `first` on that are not above a key. */
  separatorsUpTo(key: Uint8Array, first: number, count: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#isAbove(first + middle, key)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #isAbove(separator: number, key: Uint8Array): boolean {
    const start = this.#separatorsAt[separator]!;
    const length = this.#separatorsAt[separator + 1]! - 4 - start;
    const both = Math.min(length, key.length);
    for (let i = 0; i < both; i++) {
      const order = this.#bytes[start + i]! - key[i]!;
      if (order !== 0) return order > 0;
    }
    return length > key.length;
  }
}

/** The shortest bytes above `before` and not above `first`, which comes after it. */
export function separatorOf(before: Uint8Array, first: Uint8Array): Uint8Array {
  let same = 0;
  while (same < before.length && before[same] === first[same]) same++;
  return first.slice(0, same + 1);
}
