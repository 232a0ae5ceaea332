/** One at a time, in the order they came. What one of them ends with is for who asked for it; those behind it go on. */

/** A queue for one thing: `using _turn = await mutex.lock()` holds it to the end of the block. */
export class Mutex {
  #isHeld = false;
  readonly #waiting: (() => void)[] = [];
  readonly #turn: Disposable = { [Symbol.dispose]: () => this.#next() };

  /** Resolves once all who asked before have let go; who never does keeps everybody out. */
  lock(): Promise<Disposable> {
    if (this.#isHeld) return new Promise((resolve) => this.#waiting.push(() => resolve(this.#turn)));
    this.#isHeld = true;
    return Promise.resolve(this.#turn);
  }

  /** Waits for all who asked so far. */
  async settled(): Promise<void> {
    using _turn = await this.lock();
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isHeld = false;
    else next();
  }
}
