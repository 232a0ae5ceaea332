/** Blocks read lately, checked and ready for use, so that reading them again costs no disk, checksum and unpacking. */

/** What can be held: it says how much memory it takes. */
export type Holdable = { readonly memoryBytes: number };

type Held = { readonly block: Holdable; isUsed: boolean };

export class BlockCache {
  readonly #bytesMax: number;
  /** In the order in which they came, or were last spared. */
  readonly #blocks = new Map<string, Held>();
  readonly #reading = new Map<string, Promise<Holdable>>();
  #bytes = 0;

  /** Memory it may hold; a block that is larger is not kept. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get memoryBytes(): number {
    return this.#bytes;
  }

  /** The block of that name, if it is held. One name always is one class of thing. */
  held<T extends Holdable>(name: string): T | undefined {
    const held = this.#blocks.get(name);
    if (held === undefined) return undefined;
    held.isUsed = true;
    return held.block as T;
  }

  /** The block of that name, made by `read` when it is not held; once, however many ask at a time. */
  async get<T extends Holdable>(name: string, read: () => Promise<T>): Promise<T> {
    const block = this.held<T>(name);
    if (block !== undefined) return block;
    const reading = this.#reading.get(name);
    if (reading !== undefined) return (await reading) as T;
    const promise = read();
    this.#reading.set(name, promise);
    try {
      const made = await promise;
      this.#hold(name, made);
      return made;
    } finally {
      this.#reading.delete(name);
    }
  }

  #hold(name: string, block: Holdable): void {
    const { memoryBytes } = block;
    if (memoryBytes > this.#bytesMax) return;
    this.#blocks.set(name, { block, isUsed: false });
    this.#bytes += memoryBytes;
    for (const [oldest, held] of this.#blocks) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#blocks.delete(oldest);
      // Used since it was last looked at: it goes to the end of the line once more.
      if (held.isUsed) this.#blocks.set(oldest, { block: held.block, isUsed: false });
      else this.#bytes -= held.block.memoryBytes;
    }
  }
}
