/** Chance for a whole run, from its seed. */

import { SeededRandom } from '@tidemark/platform/random';

/** Chance for each part of its own, so that taking one part away leaves the others' as it was. */
export class Chances {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  seedOf(name: string): number {
    let seed = 0x811c9dc5 ^ this.#seed;
    for (let i = 0; i < name.length; i++) seed = Math.imul(seed ^ name.charCodeAt(i), 0x01000193);
    return (seed ^ (seed >>> 15)) >>> 0;
  }

  of(name: string): SeededRandom {
    return new SeededRandom(this.seedOf(name));
  }
}
