/**
 * Memory of memtables that were flushed, for the next that becomes large. New arrays cost more than what is done with
 * them: each page is touched first there, and the garbage collector goes over everything to find those no longer needed.
 */

/** Smaller arrays are as well made anew. */
const BYTES_MIN = 512 * 1024;
/** All that is kept for a process, where nobody says: about what one memtable takes. */
const BYTES_MAX = 80 * 1024 * 1024;

/** A bounded number of bytes of used memory; more is not kept. */
export class BufferPool {
  readonly #buffers: ArrayBuffer[] = [];
  #bytes = 0;
  #bytesMax = BYTES_MAX;

  get memoryBytes(): number {
    return this.#bytes;
  }

  /** From now on it keeps so much; what is too much goes. */
  limit(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    while (this.#bytes > bytesMax) this.#bytes -= this.#buffers.shift()!.byteLength;
  }

  /** Memory that nobody else has, of `bytes` at least; zeros where that is asked for, else whatever it held. */
  take(bytes: number, isZeroed: boolean): ArrayBuffer {
    const at = this.#nearest(bytes);
    if (at === -1) return new ArrayBuffer(bytes);
    const [buffer] = this.#buffers.splice(at, 1) as [ArrayBuffer];
    this.#bytes -= buffer.byteLength;
    if (isZeroed) new Uint8Array(buffer, 0, bytes).fill(0);
    return buffer;
  }

  /** Takes memory that nobody uses any more; what does not fit is left to the garbage collector. */
  give(buffers: Iterable<ArrayBufferLike>): void {
    for (const buffer of buffers) {
      if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < BYTES_MIN) continue;
      if (this.#bytes + buffer.byteLength > this.#bytesMax) continue;
      this.#buffers.push(buffer);
      this.#bytes += buffer.byteLength;
    }
  }

  /** The smallest that is large enough and not twice as large as need be; −1: none. */
  #nearest(bytes: number): number {
    let best = -1;
    for (const [i, { byteLength }] of this.#buffers.entries()) {
      if (byteLength < bytes || byteLength > bytes * 2) continue;
      if (best === -1 || byteLength < this.#buffers[best]!.byteLength) best = i;
    }
    return best;
  }
}

/** The process's. */
export const bufferPool = new BufferPool();
