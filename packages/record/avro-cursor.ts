/**
 * Reads Avro's binary form (Avro specification 1.12, "Binary Encoding") value by value from bytes that anybody may
 * have made: every length is checked against what is left before it is trusted, and a long keeps all its 64 bits.
 */

import { isUtf8 } from 'node:buffer';
import { Fault } from '@tidemark/platform/fault';

const LONG_BYTES_MAX = 10;

/** A place in some bytes; each read moves it on by one value. */
export class AvroCursor {
  at: number;
  readonly #bytes: Buffer;

  /** @param end where they end, when that is before the last of `bytes` */
  constructor(bytes: Uint8Array, at: number, end = bytes.length) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, end);
    this.at = at;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** @throws {Fault} `invalid`, as all of them: the bytes end within the value, or are none. */
  readBoolean(): boolean {
    const byte = this.#bytes[this.#take(1, 'boolean')]!;
    if (byte > 1) throw malformed(`a boolean is ${byte}, expected 0 or 1`, byte);
    return byte === 1;
  }

  readLong(): bigint {
    return BigInt(this.#readZigzag());
  }

  /** A long that has to be exact as a number. */
  readNumber(): number {
    const long = this.#readZigzag();
    if (typeof long === 'number') return long;
    const value = Number(long);
    if (!Number.isSafeInteger(value)) throw malformed(`a long is ${long}, beyond ±2^53`, String(long));
    return value;
  }

  /** A number where it has four bytes at most, as nearly all have: the other kind is slow to make. */
  #readZigzag(): number | bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#bytes[this.#take(1, 'long')]!;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    }
    let value = BigInt(low);
    for (let i = 4; i < LONG_BYTES_MAX; i++) {
      const byte = this.#bytes[this.#take(1, 'long')]!;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return unzigzag(value);
    }
    throw malformed(`a long goes on after ${LONG_BYTES_MAX} bytes`, LONG_BYTES_MAX);
  }

  readInt(): bigint {
    const value = this.readLong();
    if (BigInt.asIntN(32, value) !== value) throw malformed(`an int is ${value}, beyond 32 bits`, String(value));
    return value;
  }

  readFloat(): number {
    return this.#bytes.readFloatLE(this.#take(4, 'float'));
  }

  readDouble(): number {
    return this.#bytes.readDoubleLE(this.#take(8, 'double'));
  }

  /** The next bytes, not copied. */
  readFixed(length: number, what = 'fixed'): Buffer {
    const at = this.#take(length, what);
    return this.#bytes.subarray(at, at + length);
  }

  readBytes(): Buffer {
    return this.readFixed(this.#readLength('bytes'), 'bytes');
  }

  readString(): string {
    const bytes = this.readFixed(this.#readLength('string'), 'string');
    if (!isUtf8(bytes)) throw malformed(`a string of ${bytes.length} bytes is not UTF-8`, bytes.length);
    return bytes.toString('utf8');
  }

  /** The index of a union's branch or of an enum's symbol. */
  readIndex(count: number, what: string): number {
    const index = this.#readZigzag();
    if (index < 0 || index >= count) throw malformed(`${what} ${index} of ${count}`, String(index));
    return Number(index);
  }

  /**
   * Entries of the next block of an array or a map, 0 after the last. Too many end where the bytes do: each takes at least
   * one.
   */
  readBlock(): number {
    const count = this.#readZigzag();
    // Then follows how many bytes the block has, which nobody here needs.
    if (count < 0) this.#readZigzag();
    return Math.abs(Number(count));
  }

  #readLength(what: string): number {
    const length = this.#readZigzag();
    if (length < 0) throw malformed(`a ${what} of ${length} bytes`, String(length));
    return Number(length);
  }

  #take(length: number, what: string): number {
    const { at } = this;
    if (length > this.left) throw this.#cutShort(what, String(length));
    this.at += length;
    return at;
  }

  #cutShort(what: string, length: string): Fault {
    const got = this.#bytes.length;
    return malformed(`cut short: byte ${this.at} of ${got} begins a ${what} of ${length} bytes`, got);
  }
}

function unzigzag(value: bigint): bigint {
  if (value >> 64n !== 0n) throw malformed('a long has more than 64 bits', String(value));
  return (value >> 1n) ^ -(value & 1n);
}

function malformed(what: string, got: unknown): Fault {
  return new Fault('invalid', what, { got });
}
