/** Random queries over random tables: DuckDB has to say the same. `npm run differential -- --queries 20000` runs more. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Duck } from './duck.ts';
import { Sequence } from './sequence.ts';

let duck: Duck;
beforeAll(async () => {
  duck = await Duck.open();
});
afterAll(() => duck[Symbol.dispose]());

describe('DuckDB agrees with us', () => {
  it.each(Array.from({ length: 8 }, (_, i) => i + 1))('on the tables of seed %i', async (seed) => {
    expect(await new Sequence(seed, duck).run()).toBe(50);
  });
});
