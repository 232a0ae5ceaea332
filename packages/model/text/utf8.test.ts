/** Text is what its bytes say, or it is refused by the place of what is none; nothing becomes U+FFFD. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textOfUtf8, Utf8Reader, withoutBom } from './utf8.ts';

/** A text's bytes, cut anywhere. */
function readIn(bytes: Uint8Array, cuts: readonly number[]): string {
  const reader = new Utf8Reader('f');
  let text = '';
  let at = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    const to = Math.max(at, Math.min(cut, bytes.length));
    text += reader.read(bytes.subarray(at, to));
    at = to;
  }
  return text + reader.end();
}

describe('UTF-8', () => {
  it('in pieces of any size is the text', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', 'é', '€', '😀', '\u0000') });
    fc.assert(
      fc.property(text, fc.array(fc.nat(60)), (written, cuts) => {
        expect(readIn(Buffer.from(written), cuts)).toBe(written);
      }),
    );
  });

  it('is refused where the strict decoder refuses it, in pieces of any size', () => {
    const bytes = fc
      .uint8Array({ maxLength: 12 })
      .map((some) => some.map((byte) => [0x61, 0xc3, 0xa9, 0xf0, 0x80][byte % 5]!));
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(12)), (some, cuts) => {
        const isText = decodes(() => new TextDecoder('utf-8', { fatal: true }).decode(some));
        expect(decodes(() => readIn(some, cuts))).toBe(isText);
        expect(decodes(() => textOfUtf8(some, 'f'))).toBe(isText);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is refused by line and byte, behind many characters too', () => {
    const bytes = Buffer.concat([Buffer.from('ok\né'), Buffer.of(0xff), Buffer.from('\n')]);
    expect(() => textOfUtf8(bytes, 'f.csv')).toThrow('f.csv, line 2, byte 3: 0xff is not UTF-8');
    expect(() => readIn(bytes, [1, 4])).toThrow('f, line 2, byte 3: 0xff is not UTF-8');
    const far = Buffer.concat([Buffer.from('é\n'.repeat(100_000)), Buffer.of(0xe9, 0x61)]);
    expect(() => textOfUtf8(far, 'f')).toThrow('f, line 100001, byte 1: 0xe9 is not UTF-8');
    expect(() => textOfUtf8(Buffer.of(0x61, 0xe2, 0x82), 'f')).toThrow('byte 2: 0xe2');
  });

  it('loses the mark at its beginning, and no other', () => {
    expect(readIn(Buffer.from('\uFEFFa\uFEFF'), [1, 2])).toBe('a\uFEFF');
    expect(withoutBom('\uFEFF\uFEFFa')).toBe('\uFEFFa');
  });
});

function decodes(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
