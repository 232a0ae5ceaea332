import { Fault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ControlBody, decodeControl, encodeControl, isControl } from './control-record.ts';

const ballot = fc.record({ counter: fc.nat(), site: fc.string(), process: fc.string() });
const body: fc.Arbitrary<ControlBody> = fc.oneof(
  fc.record({ kind: fc.constant('Acceptor' as const), id: fc.string() }),
  fc.record({ kind: fc.constant('Prepare' as const), ballot }),
  fc.record({ kind: fc.constantFrom('Accept' as const, 'Chosen' as const), ballot, value: fc.string() }),
  fc.record({ kind: fc.constant('Decision' as const), id: fc.string(), decision: fc.string() }),
);
const record = fc.record({
  cluster: fc.string(),
  site: fc.string(),
  keyspace: fc.string(),
  timeMs: fc.nat(),
  body,
});

describe('control record', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(record, (written) => {
        const bytes = encodeControl(written);
        expect(isControl(bytes)).toBe(true);
        expect(JSON.parse(JSON.stringify(decodeControl(bytes)))).toEqual(JSON.parse(JSON.stringify(written)));
      }),
    );
  });

  it('with any bit flipped is refused', () => {
    fc.assert(
      fc.property(record, fc.nat(), (written, at) => {
        const bytes = encodeControl(written);
        const bit = at % (bytes.length * 8);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => decodeControl(bytes)).toThrow(Fault);
      }),
    );
  });
});
