/** Every key part is a segment of its own that no client changes, and reading it gives the part. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyParts, keySegment, segmentsOfRow } from './key-path.ts';

const part = fc.oneof(
  fc.string({ unit: fc.constantFrom('.', '~', 'a', '/', '%'), maxLength: 4 }),
  fc.string({ unit: 'grapheme' }),
);

describe('key parts in a path', () => {
  it('survive the URL parser that all clients have, and are read back', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const path = `/v1/ks/t/rows/${parts.map(keySegment).join('/')}`;
        const sent = new URL(`http://127.0.0.1:7410${path}`);
        expect(sent.pathname).toBe(path);
        expect(keyParts(segmentsOfRow(`${sent.pathname}?limit=1`))).toEqual(parts);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['', '~'],
    ['.', '~.'],
    ['..', '~..'],
    ['~', '~~'],
    ['~.', '~~.'],
    ['~~x', '~~~x'],
    ['~x', '~x'],
    ['...', '...'],
    ['a/b', 'a%2Fb'],
  ])('%j is written %s', (text, segment) => {
    expect(keySegment(text)).toBe(segment);
  });

  it('may have one ~ more in front where they begin with one, and dots where nobody took them away', () => {
    expect(keyParts(['~~x', '%7E', '%2e', '..'])).toEqual(['~x', '', '.', '..']);
    expect(segmentsOfRow('/v1/ks/t/rows/')).toEqual([]);
  });

  it('that are empty or no UTF-8 are refused by their place', () => {
    expect(() => keyParts(segmentsOfRow('/v1/ks/t/rows/a/'))).toThrow(
      'part 2 of the key in the path is empty, expected ~',
    );
    expect(() => keyParts(['a', '%ff'])).toThrow(
      'part 2 of the key in the path is "%ff", expected percent-encoded UTF-8',
    );
    expect(() => keyParts(['%'])).toThrow('percent-encoded');
  });
});
