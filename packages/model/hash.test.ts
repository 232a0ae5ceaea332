import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { partitionOf, xxh32 } from './hash.ts';

const { h32Raw } = await xxhash();

describe('xxh32', () => {
  it('is what the reference says it is', () => {
    // From the reference implementation's own sanity checks and documentation.
    expect(xxh32(Buffer.from(''), 0, 0)).toBe(0x02cc5d05);
    expect(xxh32(Buffer.from('a'), 0, 1)).toBe(0x550d7456);
    expect(xxh32(Buffer.from('abc'), 0, 3)).toBe(0x32d153ff);
  });

  it('agrees with another implementation on bytes of every length, wherever they stand', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(5), fc.nat(5), (bytes, before, after) => {
        const around = Buffer.concat([Buffer.alloc(before, 7), bytes, Buffer.alloc(after, 9)]);
        expect(xxh32(around, before, before + bytes.length)).toBe(h32Raw(bytes) >>> 0);
        expect(partitionOf(around, 7, before, bytes.length)).toBe(partitionOf(bytes, 7));
      }),
      { numRuns: 1000 },
    );
  });
});
