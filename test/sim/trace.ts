/** What happened in a run, in order: a hash of all of it, and the last lines of it for people. */

const KEPT = 4_000;

export class Trace {
  readonly #nowMs: () => number;
  readonly #lines: string[] = [];
  #one = 0x811c9dc5;
  #other = 0x9747b28c;
  #count = 0;
  /** Keeps every line, instead of the last ones. */
  keepsAll = false;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @param who a site, a client, or the world */
  note(who: string, what: string): void {
    const line = `${(this.#nowMs() / 1000).toFixed(3).padStart(8)} ${who.padEnd(8)} ${what}`;
    this.#mix(line);
    this.#count++;
    this.#lines.push(line);
    if (!this.keepsAll && this.#lines.length > 2 * KEPT) this.#lines.splice(0, KEPT);
  }

  /** Equal for equal runs. */
  get hash(): string {
    return `${this.#count}-${(this.#one >>> 0).toString(16)}${(this.#other >>> 0).toString(16)}`;
  }

  lines(): readonly string[] {
    return this.#lines;
  }

  #mix(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      this.#one = Math.imul(this.#one ^ code, 0x01000193);
      this.#other = Math.imul(this.#other ^ code, 0x5bd1e995) ^ (this.#other >>> 15);
    }
  }
}
