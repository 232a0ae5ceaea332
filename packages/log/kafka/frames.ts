/** Where one frame ends and the next begins in what a broker sends: four bytes of length, big-endian, then as many. */

/** The largest answer that is asked for is a tenth of it. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Its correlation id. */
const FRAME_BYTES_MIN = 4;
const LENGTH_BYTES = 4;

/**
 * Cuts one connection's bytes into frames as they arrive. A length is checked before anything is allocated for it, so a
 * stray service is found out at once.
 */
export class KafkaFrames {
  #length = 0;
  #lengthBytes = 0;
  /** The frame under way when it comes in pieces, and how much of it is there. */
  #frame: Buffer | null = null;
  #filled = 0;

  /**
   * Takes the next bytes of the connection.
   * @returns the frames that are whole now, without their lengths; they may be views of `bytes`
   * @throws {Error} no frame begins where one has to, and nothing that follows can be read
   */
  take(bytes: Buffer): Buffer[] {
    const whole: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      if (this.#frame !== null) {
        const taken = bytes.copy(this.#frame, this.#filled, at);
        this.#filled += taken;
        at += taken;
        if (this.#filled < this.#frame.length) break;
        whole.push(this.#frame);
        this.#frame = null;
        continue;
      }
      this.#length = (this.#length << 8) | bytes[at++]!;
      if (++this.#lengthBytes < LENGTH_BYTES) continue;
      const length = checkLength(this.#length);
      this.#length = 0;
      this.#lengthBytes = 0;
      if (at + length <= bytes.length) {
        whole.push(bytes.subarray(at, at + length));
        at += length;
      } else {
        // Not of the pool: it would hold the pool's page for as long as somebody looks at a record in it.
        this.#frame = Buffer.allocUnsafeSlow(length);
        this.#filled = 0;
      }
    }
    return whole;
  }
}

function checkLength(length: number): number {
  if (length >= FRAME_BYTES_MIN && length <= FRAME_BYTES_MAX) return length;
  const expected = `${FRAME_BYTES_MIN} to ${FRAME_BYTES_MAX}`;
  throw new Error(`not Kafka's protocol: a frame of ${length} bytes, expected ${expected}`);
}
