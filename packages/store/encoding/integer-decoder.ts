/** Whole numbers of a block, in each encoding they may have. */

import { ENCODING } from '@tidemark/columnar/column-encoding';
import { Fault } from '@tidemark/platform/fault';
import { BLOCK_ENCODING } from './block-encoding.ts';
import { aligned, type Reader, unexpected } from './block-reader.ts';
import type { Numbers } from './chunk.ts';
import type { Dense } from './dense.ts';

type IntegerKind = 'i32' | 'whole' | 'i64';

/** So many whole numbers. @throws {Fault} `corrupt`: none of their kind's encodings, or beyond what it holds. */
export function decodeIntegers(reader: Reader, count: number, encoding: number, kind: IntegerKind): Dense {
  switch (encoding) {
    case ENCODING.i32: {
      // What was written while a long was still an int.
      if (kind === 'whole') break;
      return { form: 'numbers', data: new Int32Array(aligned(reader.take(count * 4))), base: 0, unit: 0 };
    }
    case ENCODING.i64:
      if (kind === 'i32') break;
      return kind === 'i64' ? { form: 'longs', data: reader.i64s(count) } : fromWholes(reader.u32s(count * 2));
    case ENCODING.frame: {
      const base = reader.i64();
      return fromFrame(base, 1n, reader.unsigned(count, reader.u8()), kind);
    }
    case BLOCK_ENCODING.steps: {
      const base = reader.i64();
      const unit = reader.i64();
      return fromFrame(base, unit, reader.unsigned(count, reader.u8()), kind);
    }
    case BLOCK_ENCODING.rising:
      return decodeRising(reader, count, kind);
  }
  throw unexpected(kind, encoding);
}

/** Pairs of 32 bits, the lower half first. */
function fromWholes(halves: Uint32Array): Dense {
  const data = new Float64Array(halves.length / 2);
  for (let i = 0; i < data.length; i++) data[i] = (halves[i * 2 + 1]! | 0) * 4_294_967_296 + halves[i * 2]!;
  return { form: 'numbers', data, base: 0, unit: 0 };
}

const EXACT = BigInt(Number.MAX_SAFE_INTEGER);

function fromFrame(base: bigint, unit: bigint, offsets: Numbers | Uint32Array, kind: IntegerKind): Dense {
  let max = 0;
  for (let i = 0; i < offsets.length; i++) if (offsets[i]! > max) max = offsets[i]!;
  const end = base + unit * BigInt(max);
  if (unit < 1n) throw new Fault('corrupt', `a unit of ${unit}, expected at least 1`, { got: String(unit) });
  check(base, kind);
  check(end, kind);
  // Numbers of 32 bits that none needs whole fit the narrower array.
  const data =
    offsets instanceof Uint32Array
      ? max <= 0x7fff_ffff
        ? new Int32Array(offsets.buffer)
        : Float64Array.from(offsets)
      : offsets;
  if (base >= -EXACT && end <= EXACT) return { form: 'numbers', data, base: Number(base), unit: Number(unit) };
  const longs = new BigInt64Array(data.length);
  for (let i = 0; i < data.length; i++) longs[i] = base + unit * BigInt(data[i]!);
  return { form: 'longs', data: longs };
}

/** No value lies beyond what its kind holds. */
function check(value: bigint, kind: IntegerKind): void {
  const isWithin =
    kind === 'i64'
      ? value <= (1n << 63n) - 1n
      : kind === 'i32'
        ? value >= -2_147_483_648n && value <= 2_147_483_647n
        : value >= -(1n << 53n) && value <= 1n << 53n;
  if (!isWithin) throw new Fault('corrupt', `${value} in a column of kind ${kind}`, { got: String(value) });
}

function decodeRising(reader: Reader, count: number, kind: IntegerKind): Dense {
  const unit = reader.i64();
  const width = reader.u8();
  const starts = reader.u32();
  const places = reader.u32s(starts);
  const values = reader.i64s(starts);
  const steps = reader.unsigned(count, width);
  if (unit < 1n || (count > 0 && places[0] !== 0)) {
    throw new Fault('corrupt', `rising numbers in units of ${unit} that start at ${places[0]}, expected 0`);
  }
  const low = values.reduce((least, value) => (value < least ? value : least), values[0] ?? 0n);
  const offsets = new Float64Array(count);
  let start = 0;
  let at = 0;
  let max = 0;
  for (let i = 0; i < count; i++) {
    if (start < starts && places[start] === i) at = Number((values[start++]! - low) / unit);
    else at += steps[i]!;
    offsets[i] = at;
    if (at > max) max = at;
  }
  if (start !== starts || max > Number.MAX_SAFE_INTEGER) {
    throw new Fault('corrupt', `rising numbers of ${starts} starts, found ${start}`, { got: start, expected: starts });
  }
  return fromFrame(low, unit, max <= 0x7fff_ffff ? Int32Array.from(offsets) : offsets, kind);
}
