import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Beyond } from './beyond.ts';

it('finds the first offset that can be read, wherever it is, in few tries', () => {
  const property = fc.property(fc.nat(1_000), fc.nat(100_000), fc.nat(1_000), (from, length, more) => {
    const readable = from + 1 + length;
    const end = readable + more;
    const beyond = new Beyond(from, 'damaged');
    let tries = 0;
    for (let at = beyond.probe(end); at !== null; at = beyond.probe(end)) {
      beyond.told(at, at >= readable);
      tries++;
    }
    expect(beyond.found).toBe(readable);
    expect(tries).toBeLessThan(2 * Math.log2(length + more + 4) + 4);
  });
  fc.assert(property, { numRuns: 500 });
});

it('takes the end of the log for readable', () => {
  const beyond = new Beyond(7, 'damaged');
  for (let at = beyond.probe(9); at !== null; at = beyond.probe(9)) beyond.told(at, false);
  expect(beyond.found).toBe(9);
});
