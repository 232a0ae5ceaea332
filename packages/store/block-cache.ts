/** Blocks read lately, checked and ready for use, so that reading them again costs no disk, checksum and unpacking. */

/** What can be held: it says how much memory it takes. */
export type Holdable = { readonly memoryBytes: number };

export class BlockCache {
  readonly #bytesMax: number;
  /** Least recently used first. A promise while the block is being read. */
  readonly #blocks = new Map<string, Holdable>();
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
    const block = this.#blocks.get(name);
    if (block === undefined) return undefined;
    this.#blocks.delete(name);
    this.#blocks.set(name, block);
    return block as T;
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
    this.#blocks.set(name, block);
    this.#bytes += memoryBytes;
    for (const [oldest, { memoryBytes: bytes }] of this.#blocks) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#blocks.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}
