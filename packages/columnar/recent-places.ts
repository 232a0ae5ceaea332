/**
 * What was found at places of an arena, for a loop over rows whose equal texts mostly stand in one place: it looks at each
 * once. A small table that forgets: a place that it no longer knows is looked at once more.
 */

const PLACES = 1024;

/** One for each loop that needs it, cleared by it before it begins. */
export class RecentPlaces {
  /** By place: bytes + 1 of the text that was last found there, where it begins, and what was found. */
  readonly #known = new Uint32Array(PLACES * 3);

  /** For another arena, or another question. */
  clear(): void {
    this.#known.fill(0);
  }

  /** What was noted of a text; −1: nothing is known of it. */
  find(start: number, length: number): number {
    const place = (start & (PLACES - 1)) * 3;
    return this.#known[place] === length + 1 && this.#known[place + 1] === start ? this.#known[place + 2]! : -1;
  }

  /** Whether the text was noted; it is from now on, with 0. */
  meet(start: number, length: number): boolean {
    const known = this.#known;
    const place = (start & (PLACES - 1)) * 3;
    if (known[place] === length + 1 && known[place + 1] === start) return true;
    known[place] = length + 1;
    known[place + 1] = start;
    known[place + 2] = 0;
    return false;
  }

  /** @param found 0 or more */
  note(start: number, length: number, found: number): void {
    const place = (start & (PLACES - 1)) * 3;
    this.#known[place] = length + 1;
    this.#known[place + 1] = start;
    this.#known[place + 2] = found;
  }
}
