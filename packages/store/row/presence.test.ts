import { CELL } from '@tidemark/columnar/column-vector';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areAllValues } from './presence.ts';

describe('presence', () => {
  it('is that of values alone when each row has one, wherever the rows begin and end', () => {
    const state = fc.oneof({ weight: 12, arbitrary: fc.constant(CELL.value) }, fc.constantFrom(...Object.values(CELL)));
    const asked = fc.tuple(fc.array(state, { maxLength: 24 }), fc.nat(3), fc.nat(30), fc.nat(30));
    fc.assert(
      fc.property(asked, ([states, shift, a, b]) => {
        const presence = new Uint8Array(new ArrayBuffer(states.length + shift), shift, states.length);
        presence.set(states);
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const rows = Array.from({ length: to - from }, (_, i) => states[from + i]);
        expect(areAllValues(presence, from, to)).toBe(rows.every((found) => found === CELL.value));
      }),
      { numRuns: 2_000 },
    );
  });
});
