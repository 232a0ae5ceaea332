import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { fuzzHttp } from './http-fuzz.ts';

const COUNT = 400;

it('whatever is asked, no site ends, and what is refused changes nothing', async () => {
  for (const seed of [1, randomInt(1_000_000)]) {
    console.log(`http fuzz: seed ${seed}`);
    const { requests } = await fuzzHttp(seed, COUNT);
    expect(requests).toBe(COUNT);
  }
}, 120_000);
