import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireReader, WireWriter } from './wire-bytes.ts';

const field = fc.oneof(
  fc.record({ kind: fc.constant('byte' as const), value: fc.nat(127) }),
  fc.record({ kind: fc.constant('int16' as const), value: fc.nat(30_000) }),
  fc.record({ kind: fc.constant('int32' as const), value: fc.nat() }),
  fc.record({ kind: fc.constant('text' as const), value: fc.string({ maxLength: 40 }) }),
  fc.record({
    kind: fc.constant('blob' as const),
    value: fc.constantFrom(0, 126, 127, 128, 1_024, 1_025, 5_000).map((length) => Buffer.alloc(length, 7)),
  }),
);

describe('a request in bytes', () => {
  it('reads back as it was written, wherever its buffer had to grow', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 30 }), fc.integer({ min: 1, max: 64 }), (fields, bytesExpected) => {
        const out = new WireWriter(bytesExpected);
        for (const { kind, value } of fields) {
          if (kind === 'byte') out.byte(value);
          else if (kind === 'int16') out.int16(value);
          else if (kind === 'int32') out.int32(value);
          else if (kind === 'text') out.text(value);
          else out.blob(value);
        }
        const bytes = Buffer.concat(out.parts);
        // The answer to a request begins with the same byte: no tagged fields in its header.
        const from = new WireReader(bytes);
        for (const { kind, value } of fields) {
          if (kind === 'byte') expect(from.byte()).toBe(value);
          else if (kind === 'int16') expect(from.int16()).toBe(value);
          else if (kind === 'int32') expect(from.int32()).toBe(value);
          else if (kind === 'text') expect(from.text()).toBe(value);
          else expect(Buffer.compare(from.blob(), value)).toBe(0);
        }
      }),
      { numRuns: 300 },
    );
  });
});
