/** Chance, as a port. The seeded one gives the same sequence for the same seed, on every machine. */

import { randomUUID } from 'node:crypto';

/** Chance, and ids. */
export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** A new id nobody else has: 32 lower-case hex digits. */
  id(): string;
}

/** Chance from the machine. */
export class SystemRandom implements Random {
  fraction(): number {
    return Math.random();
  }

  id(): string {
    return randomUUID().replaceAll('-', '');
  }
}

/** Chance from a 32-bit seed (mulberry32, by Tommy Ettinger, public domain). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  id(): string {
    let text = '';
    while (text.length < 32)
      text += Math.floor(this.fraction() * 65_536)
        .toString(16)
        .padStart(4, '0');
    return text;
  }
}

/** Uniform whole number in [low, high], both included. */
export function integerBetween(random: Random, low: number, high: number): number {
  return low + Math.floor(random.fraction() * (high - low + 1));
}
