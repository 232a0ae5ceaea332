/** Blocks and units read lately, checked and ready for use, so that reading them again costs no disk, checksum and unpacking. */

/** What can be held: it says how much memory it takes. */
export type Holdable = { readonly memoryBytes: number };

/** A block's place: whoever reads the block keeps it, so that finding the block again is one look. */
export class CacheSlot<T extends Holdable> {
  /** Null until it was read, and again once its memory went to others. */
  block: T | null = null;
  /** Set by whoever uses the block, so that it is spared. */
  isUsed = false;
  reading: Promise<T> | null = null;
}

/** A bounded number of bytes of blocks; those used since they were last looked at are spared (second chance). */
export class BlockCache {
  #bytesMax: number;
  /** Those that hold a block, in the order in which they were filled, or were last spared. */
  readonly #slots = new Set<CacheSlot<Holdable>>();
  #bytes = 0;

  /** Memory it may hold; a block that is larger is not kept. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** From now on it may hold so much; what is too much goes. */
  limit(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#makeRoom();
  }

  get memoryBytes(): number {
    return this.#bytes;
  }

  /** The block of that slot, made by `read` when it is not held; once, however many ask at a time. */
  async get<T extends Holdable>(slot: CacheSlot<T>, read: () => Promise<T>): Promise<T> {
    if (slot.block !== null) {
      slot.isUsed = true;
      return slot.block;
    }
    if (slot.reading !== null) return slot.reading;
    slot.reading = read();
    try {
      const block = await slot.reading;
      this.hold(slot, block);
      return block;
    } finally {
      slot.reading = null;
    }
  }

  /** True when so many bytes more leave half of it to others. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#bytesMax / 2;
  }

  /** Lets go of what a slot holds: something else has it now. */
  drop(slot: CacheSlot<Holdable>): void {
    if (!this.#slots.delete(slot)) return;
    this.#bytes -= slot.block!.memoryBytes;
    slot.block = null;
  }

  /** Holds what was made for a slot that holds nothing, as long as there is room. */
  hold<T extends Holdable>(slot: CacheSlot<T>, block: T): void {
    if (block.memoryBytes > this.#bytesMax) return;
    slot.block = block;
    slot.isUsed = false;
    this.#slots.add(slot);
    this.#bytes += block.memoryBytes;
    this.#makeRoom();
  }

  #makeRoom(): void {
    for (const oldest of this.#slots) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#slots.delete(oldest);
      // Used since it was last looked at: it goes to the end of the line once more.
      if (oldest.isUsed) {
        oldest.isUsed = false;
        this.#slots.add(oldest);
      } else {
        this.#bytes -= oldest.block!.memoryBytes;
        oldest.block = null;
      }
    }
  }
}
