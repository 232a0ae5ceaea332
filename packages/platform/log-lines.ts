/**
 * Where a process's log lines go: standard error, at once, whatever becomes of it. A full disk or a reader that is gone
 * costs the line, which is counted, and never the site.
 */

import { writeSync } from 'node:fs';
import { messageOf } from './fault.ts';

const STANDARD_ERROR = 2;

type WriteSome = (bytes: Uint8Array) => number;

/** Writes whole lines synchronously; the next line that gets through says how many were lost before it. */
export class LogLines {
  readonly #write: WriteSome;
  /** Lines that could not be written, since the process began. */
  dropped = 0;
  #untold = 0;
  #isCut = false;
  #trouble = '';

  /** @param write writes some of the bytes and says how many, or throws */
  constructor(write: WriteSome = (bytes) => writeSync(STANDARD_ERROR, bytes)) {
    this.#write = write;
  }

  write(line: string): void {
    if (this.#untold > 0) {
      const lost = { level: 40, dropped: this.#untold, reason: this.#trouble, msg: 'log lines could not be written' };
      if (this.#put(`${JSON.stringify(lost)}\n`)) this.#untold = 0;
    }
    if (this.#put(line)) return;
    this.dropped++;
    this.#untold++;
  }

  #put(line: string): boolean {
    let left = Buffer.from(this.#isCut ? `\n${line}` : line);
    const whole = left.length;
    try {
      while (left.length > 0) left = left.subarray(this.#write(left));
      this.#isCut = false;
      return true;
    } catch (error) {
      this.#trouble = messageOf(error);
      if (left.length < whole) this.#isCut = true;
      return false;
    }
  }
}
