/**
 * The keys of a memtable and the rows they have: an open-addressing hash. A slot is one number, so that a look costs one
 * access of memory: row + 1 in its lower bits, as many as number the slots, and the key's hash in those above. A whole
 * batch is looked for at a time, in steps that each go over some keys, so that the processor waits for many at once.
 */

import { CELL, ColumnVector, type Room } from '@tidemark/columnar/column-vector';
import { copyWords, hashWords, sameWords, wordsOf } from '../row/words.ts';

const FIRST_SLOTS = 512;
/** So full the hash is at most. */
const FULL_MAX = 0.7;
/** Times as many slots when it is: putting all keys in anew costs more than slots do. */
const GROWTH = 4;
/** Keys that go through a step together: what they touch stays in the nearest cache. */
const CHUNK = 256;

const hashes = new Int32Array(CHUNK);
/** Keys of a chunk that a slot's part of the hash says are known, and those that are new. */
const likely = new Uint32Array(CHUNK);
const fresh = new Uint32Array(CHUNK);

/** Keys to row numbers in order of arrival; keys are never taken out. */
export class KeyIndex {
  /** Row i has key i. */
  readonly keys = new ColumnVector('bytes');
  count = 0;
  #slots = new Int32Array(FIRST_SLOTS);
  #words = wordsOf(this.keys.arena);
  /** What was read ahead: kept, so that the reading is not left out. */
  ahead = 0;

  get memoryBytes(): number {
    return this.#slots.byteLength + this.keys.arenaUsed + this.count * 9;
  }

  /** The row with that key, or −1. */
  find(key: Uint8Array): number {
    const words = wordsOf(key);
    return this.#find(hashWords(words, 0, key.length), words, 0, key.length);
  }

  /** The rows of keys 0 … count − 1 of a vector, into `rowOf`; new ones for keys that are not there yet. */
  findOrAddAll(given: ColumnVector, count: number, rowOf: Uint32Array): void {
    const { starts, lengths } = given;
    const words = wordsOf(given.arena);
    this.#reserve(count, lengths);
    for (let begin = 0; begin < count; begin += CHUNK) {
      const end = Math.min(begin + CHUNK, count);
      this.#hashChunk(words, starts, lengths, begin, end);
      const found = this.#placeChunk(words, starts, lengths, begin, end, rowOf);
      for (let k = 0; k < found; k++) {
        const i = likely[k]!;
        if (this.#hasKey(rowOf[i]!, words, starts[i]!, lengths[i]!)) continue;
        // Another key with the same part of the hash came first.
        rowOf[i] = this.#findOrAdd(hashes[i - begin]!, words, starts[i]!, lengths[i]!);
      }
    }
  }

  #hashChunk(words: DataView, starts: Uint32Array, lengths: Uint32Array, begin: number, end: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let i = begin; i < end; i++) hashes[i - begin] = hashWords(words, starts[i]!, lengths[i]!);
    let ahead = 0;
    for (let i = 0; i < end - begin; i++) ahead ^= slots[hashes[i]! & mask]!;
    this.ahead = ahead;
  }

  /** Adds keys whose slots are free; of others says which row it is likely to be. @returns how many those are */
  #placeChunk(
    words: DataView,
    starts: Uint32Array,
    lengths: Uint32Array,
    begin: number,
    end: number,
    rowOf: Uint32Array,
  ): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const first = this.count;
    let added = 0;
    let found = 0;
    for (let i = begin; i < end; i++) {
      const hash = hashes[i - begin]!;
      let at = hash & mask;
      let slot = slots[at]!;
      while (slot !== 0 && ((slot ^ hash) & ~mask) !== 0) {
        at = (at + 1) & mask;
        slot = slots[at]!;
      }
      if (slot === 0) {
        const row = first + added;
        slots[at] = (hash & ~mask) | (row + 1);
        rowOf[i] = row;
        fresh[added++] = i;
      } else {
        rowOf[i] = (slot & mask) - 1;
        likely[found++] = i;
      }
    }
    this.#takeFresh(words, starts, lengths, added);
    this.#readAhead(found, rowOf);
    return found;
  }

  /** Keeps the keys that have got the next rows. There is room for them. */
  #takeFresh(words: DataView, starts: Uint32Array, lengths: Uint32Array, count: number): void {
    const { keys } = this;
    const into = this.#words;
    const first = this.count;
    let used = keys.arenaUsed;
    for (let k = 0; k < count; k++) {
      const i = fresh[k]!;
      const length = lengths[i]!;
      copyWords(into, used, words, starts[i]!, length);
      keys.starts[first + k] = used;
      keys.lengths[first + k] = length;
      used += length;
    }
    keys.presence.fill(CELL.value, first, first + count);
    keys.arenaUsed = used;
    this.count = first + count;
  }

  #readAhead(found: number, rowOf: Uint32Array): void {
    const { starts, arena } = this.keys;
    let ahead = 0;
    for (let k = 0; k < found; k++) ahead ^= arena[starts[rowOf[likely[k]!]!]!] ?? 0;
    this.ahead = ahead;
  }

  #findOrAdd(hash: number, words: DataView, start: number, length: number): number {
    const row = this.#find(hash, words, start, length);
    if (row !== -1) return row;
    const mask = this.#slots.length - 1;
    let at = hash & mask;
    while (this.#slots[at] !== 0) at = (at + 1) & mask;
    return this.#add(at, hash, words, start, length);
  }

  #find(hash: number, words: DataView, start: number, length: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = hash & mask; slots[at] !== 0; at = (at + 1) & mask) {
      const slot = slots[at]!;
      if (((slot ^ hash) & ~mask) !== 0) continue;
      const row = (slot & mask) - 1;
      if (this.#hasKey(row, words, start, length)) return row;
    }
    return -1;
  }

  /** There is room for it. @returns its row */
  #add(at: number, hash: number, words: DataView, start: number, length: number): number {
    const row = this.count++;
    this.#slots[at] = (hash & ~(this.#slots.length - 1)) | (row + 1);
    copyWords(this.#words, this.keys.arenaUsed, words, start, length);
    this.keys.takeBytes(row, length);
    return row;
  }

  #hasKey(row: number, words: DataView, start: number, length: number): boolean {
    const { starts, lengths } = this.keys;
    return lengths[row] === length && sameWords(this.#words, starts[row]!, words, start, length);
  }

  /** Makes room for so many keys in all, as long as those that are there. */
  expect(count: number, room: Room): void {
    const more = count - this.count;
    this.#reserveBytes(more, Math.ceil((this.keys.arenaUsed / this.count) * more), room);
  }

  /** The memory behind it, to be used for something else: nobody may touch it after that. */
  get buffers(): ArrayBufferLike[] {
    return [this.#slots.buffer, ...this.keys.buffers];
  }

  /** Makes room for so many keys more. */
  #reserve(count: number, lengths: Uint32Array): void {
    let bytes = 0;
    for (let i = 0; i < count; i++) bytes += lengths[i]!;
    this.#reserveBytes(count, bytes);
  }

  #reserveBytes(count: number, bytes: number, room?: Room): void {
    this.keys.reserveRows(this.count + count, room);
    this.keys.reserveBytes(bytes, room);
    this.#words = wordsOf(this.keys.arena);
    let slots = this.#slots.length;
    while ((this.count + count) / slots > FULL_MAX) slots *= GROWTH;
    if (slots === this.#slots.length) return;
    this.#rehash(room === undefined ? new Int32Array(slots) : new Int32Array(room(slots * 4, true), 0, slots));
  }

  /** `slots`: all free. */
  #rehash(slots: Int32Array<ArrayBuffer>): void {
    const mask = slots.length - 1;
    const { starts, lengths } = this.keys;
    for (let row = 0; row < this.count; row++) {
      const hash = hashWords(this.#words, starts[row]!, lengths[row]!);
      let at = hash & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = (hash & ~mask) | (row + 1);
    }
    this.#slots = slots;
  }
}
