/** Memory of one kind that several hold together: what one of them needs others leave, and when there is too much those with most give way. */

/** One of those who share; it says what it holds now. */
export type Holder = {
  readonly bytes: () => number;
  /** Told when all hold more than they may. */
  readonly onOver?: () => void;
};

/** Those who share it, as long as they do. */
export class SharedMemory {
  readonly bytesMax: number;
  readonly #holders = new Set<Holder>();

  /** What all may hold together. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    let bytes = 0;
    for (const holder of this.#holders) bytes += holder.bytes();
    return bytes;
  }

  /** Counts the holder until it is disposed. */
  join(holder: Holder): Disposable {
    this.#holders.add(holder);
    return { [Symbol.dispose]: () => this.#holders.delete(holder) };
  }

  /** What one of them may hold now: what the others leave, or an equal part, whichever is more. */
  boundOf(holder: Holder): number {
    return Math.max(this.bytesMax - (this.bytes - holder.bytes()), this.bytesMax / Math.max(1, this.#holders.size));
  }

  tell(): void {
    for (const { onOver } of this.#holders) onOver?.();
  }
}
