import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparePositions, formatPosition, formatToken, NOWHERE, parseToken } from './position.ts';

const position = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), seq: fc.nat(3) });
const token = fc.record({
  keyspace: fc.constantFrom('travel', 'a-b_c'),
  origin: fc.constantFrom('paris', 'tokyo'),
  positions: fc.array(fc.tuple(fc.nat(1023), position), { maxLength: 5 }).map((entries) => new Map(entries)),
});

describe('position', () => {
  it('is ordered by epoch, then seq, and nothing comes before nowhere', () => {
    expect(comparePositions({ epoch: 2, seq: 0 }, { epoch: 1, seq: 9 })).toBeGreaterThan(0);
    expect(comparePositions({ epoch: 1, seq: 1 }, { epoch: 1, seq: 2 })).toBeLessThan(0);
    fc.assert(fc.property(position, (at) => comparePositions(NOWHERE, at) < 0));
    expect(formatPosition({ epoch: 3, seq: 1042 })).toBe('3:1042');
  });
});

describe('token', () => {
  it('is read back as it was written', () => {
    fc.assert(fc.property(token, (t) => void expect(parseToken(formatToken(t))).toEqual(t)));
    const written = {
      keyspace: 'travel',
      origin: 'paris',
      positions: new Map([
        [5, { epoch: 1, seq: 3 }],
        [0, { epoch: 1, seq: 17 }],
      ]),
    };
    expect(formatToken(written)).toBe('travel/paris/0=1:17,5=1:3');
  });

  it.each(['', 'travel', 'travel/paris/0=1', 'travel/paris/0=1:x', '/paris/0=1:1', 'a/b/0=1:1,', 'a/b/c/0=1:1'])(
    'is not "%s"',
    (text) => {
      expect(() => parseToken(text)).toThrow(`token "${text}", expected a token as a write returned it`);
    },
  );
});
