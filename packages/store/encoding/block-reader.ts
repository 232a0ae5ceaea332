/** Takes numbers and bytes from the front of a block's section. */

import type { Physical } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import type { Numbers } from './chunk.ts';

/** Takes bytes from the front. */
export class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) {
      const [got, expected] = [this.#bytes.length, end];
      throw new Fault('corrupt', `column bytes end at ${got}, expected ${expected}`, { got, expected });
    }
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  u8(): number {
    return this.take(1)[0]!;
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  i64(): bigint {
    return this.take(8).readBigInt64LE();
  }

  u32s(count: number): Uint32Array {
    return new Uint32Array(aligned(this.take(count * 4)));
  }

  i64s(count: number): BigInt64Array {
    return new BigInt64Array(aligned(this.take(count * 8)));
  }

  /** Unsigned numbers of 0, 1, 2 or 4 bytes. */
  unsigned(count: number, width: number): Numbers | Uint32Array {
    if (width === 0) return zeros(count);
    if (width === 1) return new Uint8Array(aligned(this.take(count)));
    if (width === 2) return new Uint16Array(aligned(this.take(count * 2)));
    if (width === 4) return this.u32s(count);
    throw new Fault('corrupt', `numbers of ${width} bytes, expected 0, 1, 2 or 4`, { got: width });
  }
}

/** A copy that begins where any typed array may. */
export function aligned(bytes: Buffer): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

let someZeros = new Uint8Array(65_536);

/** Never written to, so that constants cost no memory. */
export function zeros(count: number): Uint8Array {
  if (count > someZeros.length) someZeros = new Uint8Array(count);
  return someZeros.subarray(0, count);
}

/** A kind does not have that encoding: what is stored is wrong. */
export function unexpected(kind: Physical, encoding: number): Fault {
  return new Fault('corrupt', `column of kind ${kind} has encoding ${encoding}`, { got: encoding });
}
