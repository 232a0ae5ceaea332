/**
 * One process of the simulation: a gate that everything it waits for passes. While the process is paused what arrives
 * waits in line; once it is dead nothing arrives any more, so its code never goes on from the await it stood at.
 */

/** What never comes: how every wait of a dead process ends. */
const NEVER = new Promise<never>(() => {});

/** How a process ends at a step: before what it asked for is done, or after. */
export type Doom = { readonly afterSteps: number; readonly done: boolean };

export class SimProcess {
  readonly name: string;
  readonly #killed = new AbortController();
  #line: (() => void)[] | null = null;
  #steps = 0;
  #doom: { readonly atStep: number; readonly done: boolean; readonly onEnd: () => void } | null = null;

  constructor(name: string) {
    this.name = name;
  }

  get isDead(): boolean {
    return this.#killed.signal.aborted;
  }

  get isPaused(): boolean {
    return this.#line !== null;
  }

  /** Aborts when the process has died: for what outlives it. */
  get killed(): AbortSignal {
    return this.#killed.signal;
  }

  /** How often it asked for anything: a clock of its own for choosing where it dies. */
  get steps(): number {
    return this.#steps;
  }

  kill(): void {
    this.#line = null;
    this.#killed.abort(null);
  }

  pause(): void {
    this.#line ??= [];
  }

  resume(): void {
    const line = this.#line;
    this.#line = null;
    for (const work of line ?? []) this.deliver(work);
  }

  /** Has it die at a later step; `onEnd` is told in that moment. */
  doom({ afterSteps, done }: Doom, onEnd: () => void): void {
    this.#doom = { atStep: this.#steps + afterSteps, done, onEnd };
  }

  /** Takes back what `doom` said, unless it has come true. */
  spare(): void {
    this.#doom = null;
  }

  /** Lets `work` run in the process: now, when it goes on, or never. */
  deliver(work: () => void): void {
    if (this.isDead) return;
    if (this.#line === null) work();
    else this.#line.push(work);
  }

  /** Asks for something outside of the process; the answer passes the gate. */
  step<T>(ask: () => Promise<T>): Promise<T> {
    if (this.isDead) return NEVER;
    this.#steps++;
    if (this.#doom !== null && this.#steps >= this.#doom.atStep) {
      const { done, onEnd } = this.#doom;
      this.#doom = null;
      if (done) ask().catch(() => {});
      onEnd();
      return NEVER;
    }
    return new Promise((resolve, reject) => {
      ask().then(
        (value) => this.deliver(() => resolve(value)),
        (error: unknown) => this.deliver(() => reject(error)),
      );
    });
  }
}
