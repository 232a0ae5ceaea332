import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WEAKENINGS } from '../../cluster/faults/stage/weakenings.ts';

/** A mutant whose line was written anew in the meantime cannot be tried, and nobody would hear of it. */
describe('each mutant', () => {
  it.each(WEAKENINGS)('$name changes one place of its file', ({ file, from, to }) => {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    expect([text.split(from).length - 1, from === to]).toEqual([1, false]);
  });
});
