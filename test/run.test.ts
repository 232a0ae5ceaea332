import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { closingLineOf, countIn } from './run.ts';

it('the last closing line of a run is what it counts, and a run without one has failed', () => {
  expect(countIn('1 passed, 0 failed\nmore\n\n12 passed, 3 failed, 4 skipped\n')).toEqual([12, 3, 4]);
  expect(countIn('12 passed, 0 failed\n')).toEqual([12, 0, 0]);
  for (const broken of ['', 'a test says: 12 passed, 0 failed\n', '12 passed, 0 failed and more\n'])
    expect(countIn(broken)).toEqual([0, 1, 0]);
});

it('runs side by side close with one line that counts all of them', () => {
  expect(closingLineOf([[3, 0, 0]])).toBe('3 passed, 0 failed');
  expect(closingLineOf([countIn('3 passed, 0 failed'), countIn('')])).toBe('3 passed, 1 failed');
  expect(closingLineOf([countIn('3 passed, 1 failed, 2 skipped'), [5, 2, 4]])).toBe('8 passed, 3 failed, 6 skipped');
});

it('every lane of the configuration is run by it, in one of its runs', () => {
  const lanes = [...readFileSync('vitest.config.ts', 'utf8').matchAll(/name: '(\w+)'/g)].map((match) => match[1]!);
  expect(lanes.length).toBeGreaterThan(2);
  const run = readFileSync('test/run.ts', 'utf8');
  expect(lanes.filter((lane) => !run.includes(`'--project', '${lane}'`))).toEqual([]);
});
