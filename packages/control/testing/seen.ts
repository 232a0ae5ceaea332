/**
 * The states seen so far, each as 64 bits of its text's hash, its parent and the step from there: 18 bytes a state.
 * Of 10 million states two share their 64 bits with a chance of 3 in a million; one of them would then not be searched.
 */

export class Seen {
  count = 0;
  #slots = new Uint32Array(1 << 20);
  #low = new Uint32Array(1 << 16);
  #high = new Uint32Array(1 << 16);
  #parents = new Int32Array(1 << 16);
  #moves = new Uint16Array(1 << 16);

  /** The number of a new state; −1 when it was seen. */
  add(text: string, parent: number, move: number): number {
    const [low, high] = [hashOf(text, 0x9747b28c), hashOf(text, 0x3c6ef372)];
    const mask = this.#slots.length - 1;
    let slot = low & mask;
    for (let found = this.#slots[slot]!; found !== 0; found = this.#slots[slot]!) {
      if (this.#low[found - 1] === low && this.#high[found - 1] === high) return -1;
      slot = (slot + 1) & mask;
    }
    const id = this.count++;
    if (id === this.#low.length) this.#growRows();
    this.#low[id] = low;
    this.#high[id] = high;
    this.#parents[id] = parent;
    this.#moves[id] = move;
    this.#slots[slot] = id + 1;
    if (this.count * 2 > this.#slots.length) this.#growSlots();
    return id;
  }

  parentOf(id: number): number {
    return this.#parents[id]!;
  }

  moveOf(id: number): number {
    return this.#moves[id]!;
  }

  #growRows(): void {
    const size = this.#low.length * 2;
    const grown = <T extends Uint32Array | Int32Array | Uint16Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#low = grown(new Uint32Array(size), this.#low);
    this.#high = grown(new Uint32Array(size), this.#high);
    this.#parents = grown(new Int32Array(size), this.#parents);
    this.#moves = grown(new Uint16Array(size), this.#moves);
  }

  #growSlots(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let id = 0; id < this.count; id++) {
      let slot = this.#low[id]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }
}

/** MurmurHash3's mixing, over the text's 16-bit units. */
function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) {
    let word = Math.imul(text.charCodeAt(at), 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  hash ^= text.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
