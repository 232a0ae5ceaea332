import { assembleKernels } from '@tidemark/dev/build-kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_ROWS_MAX } from '../encoding/block-encoding.ts';
import type { Narrow } from '../encoding/chunk.ts';
import { type MaskKernels, PlainKernels, VectorKernels } from './mask-kernels.ts';
import { MASK_KERNELS_WASM } from './mask-kernels-wasm.ts';

const KINDS = [Uint8Array, Uint16Array, Int32Array] as const;

/** Numbers of a kind of array, its least and greatest among them. */
const numbers: fc.Arbitrary<Narrow> = fc.nat(2).chain((kind) => {
  const [min, max] = [
    [0, 255],
    [0, 65_535],
    [-2_147_483_648, 2_147_483_647],
  ][kind]!;
  const one = fc.oneof(fc.integer({ min: min!, max: max! }), fc.constantFrom(min!, max!, 0, 1, 100));
  return fc.array(one, { maxLength: 100 }).map((values) => KINDS[kind]!.from(values));
});

const bound = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.double({ min: -3e9, max: 3e9, noNaN: true }),
  fc.constantFrom(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN, 65_535, 2_147_483_647, 100, 100.5),
);

type Step =
  | { readonly kind: 'within'; readonly data: number; readonly low: number; readonly high: number }
  | { readonly kind: 'bits'; readonly bits: Uint8Array };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('within' as const), data: fc.nat(2), low: bound, high: bound }),
    fc.record({ kind: fc.constant('bits' as const), bits: fc.uint8Array({ minLength: 13, maxLength: 13 }) }),
  ),
  { maxLength: 3 },
);

const vector = new VectorKernels();
const plain = new PlainKernels();

describe('mask kernels', () => {
  it('choose, count and add the same in WebAssembly and in JavaScript', () => {
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 3, maxLength: 3 }), steps, fc.nat(99), (columns, conditions, cut) => {
        const count = Math.min(...columns.map((column) => column.length));
        const from = Math.min(cut, count);
        const [theirs, ours] = [vector, plain].map((kernels) => outcome(kernels, columns, conditions, from, count));
        expect(theirs).toEqual(ours);
      }),
      { numRuns: 500 },
    );
  });

  it('choose what a filter of the plain numbers chooses', () => {
    fc.assert(
      fc.property(numbers, bound, bound, (data, low, high) => {
        const chosen = Array.from(data).filter((value) => value >= low && value <= high);
        for (const kernels of [vector, plain]) {
          kernels.begin(data.length);
          kernels.load(data);
          kernels.within(low, high);
          expect(kernels.count(0, data.length)).toBe(chosen.length);
          expect(kernels.sum(0, data.length)).toBe(chosen.reduce((sum, value) => sum + value, 0));
          const codes = Uint8Array.from(data, (_, row) => (row * 7) % 3);
          const [counts, sums] = [new Uint32Array(3), new Float64Array(3)];
          kernels.countByCode(codes, counts);
          kernels.sumByCode(codes, data, sums);
          for (const code of [0, 1, 2]) {
            const own = Array.from(data).filter((value, row) => codes[row] === code && value >= low && value <= high);
            expect(counts[code]).toBe(own.length);
            expect(sums[code]).toBe(own.reduce((sum, value) => sum + value, 0));
          }
        }
      }),
    );
  });

  it('add up a whole block of the greatest and the least numbers exactly', () => {
    for (const [kind, value] of [
      [Uint8Array, 255],
      [Uint16Array, 65_535],
      [Int32Array, 2_147_483_647],
      [Int32Array, -2_147_483_648],
    ] as const) {
      for (const kernels of [vector, plain]) {
        kernels.begin(BLOCK_ROWS_MAX);
        kernels.load(new kind(BLOCK_ROWS_MAX).fill(value));
        expect(kernels.sum(0, BLOCK_ROWS_MAX)).toBe(value * BLOCK_ROWS_MAX);
        const sums = new Float64Array(2);
        kernels.sumByCode(new Uint16Array(BLOCK_ROWS_MAX).fill(1), new kind(BLOCK_ROWS_MAX).fill(value), sums);
        expect([...sums]).toEqual([0, value * BLOCK_ROWS_MAX]);
        expect(kernels.count(3, BLOCK_ROWS_MAX)).toBe(BLOCK_ROWS_MAX - 3);
      }
    }
  });

  it('are what their text makes', async () => {
    expect((await assembleKernels()).toString('base64')).toBe(MASK_KERNELS_WASM);
  });
});

function outcome(
  kernels: MaskKernels,
  columns: readonly Narrow[],
  conditions: readonly Step[],
  from: number,
  to: number,
): number[] {
  kernels.begin(to);
  for (const step of conditions) {
    if (step.kind === 'bits') kernels.bits(step.bits);
    else {
      kernels.load(columns[step.data]!);
      kernels.within(step.low, step.high);
    }
  }
  const sums = columns.flatMap((column) => {
    kernels.load(column);
    return [kernels.sum(0, to), kernels.sum(from, to), kernels.sum(0, from)];
  });
  return [kernels.count(0, to), kernels.count(from, to), ...sums];
}
