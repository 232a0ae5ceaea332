import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_BYTES_MAX, KafkaFrames } from './frames.ts';

function frame(payload: Uint8Array, length = payload.length): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(length, 0);
  return Buffer.concat([head, payload]);
}

/** A connection's bytes in pieces, cut at these places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

const frames = fc.array(fc.uint8Array({ minLength: 4, maxLength: 40 }), { minLength: 1, maxLength: 6 });
const cuts = fc.array(fc.nat(300), { maxLength: 12 });

describe('frames', () => {
  it('are whole and in order in whatever pieces they come', () => {
    fc.assert(
      fc.property(frames, cuts, (payloads, places) => {
        const reader = new KafkaFrames();
        const all = Buffer.concat(payloads.map((one) => frame(one)));
        const taken = pieces(all, places).flatMap((piece) => reader.take(piece));
        expect(taken.map((one) => [...one])).toEqual(payloads.map((one) => [...one]));
      }),
    );
  });

  it('a wrong length is found at whatever frame it stands, in whatever pieces it comes', () => {
    const wrong = fc.oneof(fc.integer({ max: 3 }), fc.integer({ min: FRAME_BYTES_MAX + 1, max: 0x7fffffff }));
    fc.assert(
      fc.property(frames, wrong, cuts, (payloads, length, places) => {
        const all = [...payloads.map((one) => frame(one)), frame(Buffer.alloc(9), length)];
        const reader = new KafkaFrames();
        const taking = (): void => {
          for (const piece of pieces(Buffer.concat(all), places)) reader.take(piece);
        };
        expect(taking).toThrow(`a frame of ${length} bytes`);
      }),
    );
  });
});
