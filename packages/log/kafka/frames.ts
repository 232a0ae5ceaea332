/** Where one frame ends and the next begins in what a broker sends: four bytes of length, big-endian, then as many. */

import { Fault } from '@tidemark/platform/fault';

/** The largest answer that is asked for is a tenth of it. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Its correlation id. */
const FRAME_BYTES_MIN = 4;
const LENGTH_BYTES = 4;

/**
 * Checks the lengths in one connection's bytes as they arrive, so that a stray service is found out before anything is
 * allocated for its answer.
 */
export class KafkaFrames {
  /** Bytes that the frame under way still has. */
  #left = 0;
  #length = 0;
  #lengthBytes = 0;

  /** Takes the next bytes of the connection. @throws {Fault} `corrupt`: no frame begins where one has to */
  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, bytes.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      this.#length = (this.#length << 8) | bytes[at++]!;
      if (++this.#lengthBytes < LENGTH_BYTES) continue;
      if (this.#length < FRAME_BYTES_MIN || this.#length > FRAME_BYTES_MAX) {
        const expected = `${FRAME_BYTES_MIN} to ${FRAME_BYTES_MAX}`;
        const message = `not Kafka's protocol: a frame of ${this.#length} bytes, expected ${expected}`;
        throw new Fault('corrupt', message, { got: this.#length, expected });
      }
      this.#left = this.#length;
      this.#length = 0;
      this.#lengthBytes = 0;
    }
  }
}
