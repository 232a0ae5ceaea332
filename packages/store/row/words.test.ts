import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyWords, hashWords, sameWords, wordsOf } from './words.ts';

/** A few bytes, and where among others they lie. */
const placed = fc.record({ bytes: fc.uint8Array({ maxLength: 130 }), before: fc.uint8Array({ maxLength: 9 }) });

function laid({ bytes, before }: { bytes: Uint8Array; before: Uint8Array }): DataView {
  return wordsOf(Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.of(1, 2, 3)]));
}

describe('words', () => {
  it('hash the same bytes to the same number wherever they lie', () => {
    fc.assert(
      fc.property(placed, fc.uint8Array({ maxLength: 9 }), ({ bytes, before }, other) => {
        const here = hashWords(laid({ bytes, before }), before.length, bytes.length);
        const there = hashWords(laid({ bytes, before: other }), other.length, bytes.length);
        expect(here).toBe(there);
      }),
    );
  });

  it('tell bytes that differ anywhere apart', () => {
    fc.assert(
      fc.property(placed, fc.nat(), (one, place) => {
        const { bytes, before } = one;
        const words = laid(one);
        expect(sameWords(words, before.length, wordsOf(bytes), 0, bytes.length)).toBe(true);
        if (bytes.length === 0) return;
        const other = bytes.slice();
        other[place % bytes.length]! ^= 1;
        expect(sameWords(words, before.length, wordsOf(other), 0, bytes.length)).toBe(false);
        const hash = hashWords(wordsOf(bytes), 0, bytes.length);
        expect(hashWords(wordsOf(other), 0, bytes.length)).not.toBe(hash);
      }),
    );
  });

  it('copy those bytes and no others', () => {
    fc.assert(
      fc.property(placed, fc.nat({ max: 9 }), (one, to) => {
        const into = new Uint8Array(one.bytes.length + 20).fill(7);
        copyWords(wordsOf(into), to, laid(one), one.before.length, one.bytes.length);
        const expected = new Uint8Array(into.length).fill(7);
        expected.set(one.bytes, to);
        expect(into).toEqual(expected);
      }),
    );
  });
});
