import { describe, expect, it } from 'vitest';
import { weakenedText } from '../../../sim/mutants/weaken.ts';
import { ROWS } from '../rows.ts';
import { WEAKENINGS, weakeningsNamed } from './weakenings.ts';

describe('weakenings for the rows on real processes', () => {
  it('each changes a text that stands once in its file, under a name of its own', () => {
    expect(new Set(WEAKENINGS.map(({ name }) => name)).size).toBe(WEAKENINGS.length);
    for (const weakening of WEAKENINGS) expect(weakenedText(weakening)).toContain(weakening.to);
  });

  it('each row names at least one under which it must not hold', () => {
    for (const { row, mutants } of ROWS) {
      expect(mutants.length, `row ${row}`).toBeGreaterThan(0);
      for (const names of mutants)
        expect(
          weakeningsNamed(names)
            .map(({ name }) => name)
            .join('+'),
        ).toBe(names);
    }
  });
});
