/** A section of a column file's block as a chunk: `block-encoding.ts` says what the bytes are. */

import { ENCODING } from '@tidemark/columnar/column-encoding';
import { CELL } from '@tidemark/columnar/column-vector';
import type { Physical } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import { BLOCK_ENCODING, DIGITS_MAX } from './block-encoding.ts';
import { aligned, Reader, unexpected } from './block-reader.ts';
import type { BytesChunk, Chunk, Numbers } from './chunk.ts';
import { chunkOf, type Dense, spreadOver } from './dense.ts';
import { decodeIntegers } from './integer-decoder.ts';
import { repeated, repeatedCodes, runsOf } from './runs.ts';

/** Texts that the units of a block have codes of. */
export type Dictionary = Pick<BytesChunk, 'starts' | 'lengths' | 'arena' | 'entryCount'>;

/** @throws {Fault} `corrupt`: lengths do not add up. */
export function decodeDictionary(page: Uint8Array): Dictionary {
  const reader = new Reader(Buffer.from(page.buffer, page.byteOffset, page.byteLength), 0);
  return decodeEntries(reader, reader.u32());
}

/**
 * @param dictionary of the block that the section is a unit of
 * @throws {Fault} `corrupt`: lengths do not add up, or the encoding is not one of the kind.
 */
export function decodeBlock(
  section: Uint8Array,
  rowCount: number,
  kind: Physical,
  dictionary: Dictionary | null = null,
): Chunk {
  const bytes = Buffer.from(section.buffer, section.byteOffset, section.byteLength);
  const { presence, rows, end } = decodePresence(bytes, rowCount);
  const dense = decodeValues(new Reader(bytes, end), rows?.length ?? rowCount, kind, dictionary);
  return chunkOf(rows === null ? dense : spreadOver(dense, rows, rowCount), kind, rowCount, presence);
}

function decodePresence(
  bytes: Buffer,
  rowCount: number,
): { readonly presence: Uint8Array | null; readonly rows: Uint32Array | null; readonly end: number } {
  const reader = new Reader(bytes, 0);
  const form = reader.u8();
  if (form === 0) return { presence: null, rows: null, end: 1 };
  if (form !== 1) throw new Fault('corrupt', `column presence is ${form}, expected 0 or 1`, { got: form });
  const packed = reader.take(Math.ceil(rowCount / 4));
  const presence = new Uint8Array(rowCount);
  const rows = new Uint32Array(rowCount);
  let count = 0;
  for (let i = 0; i < rowCount; i++) {
    const state = (packed[i >> 2]! >> ((i & 3) * 2)) & 3;
    if (state > CELL.deleted) throw new Fault('corrupt', `cell state ${state}, expected 0, 1 or 2`, { got: state });
    presence[i] = state;
    if (state === CELL.value) rows[count++] = i;
  }
  return { presence, rows: rows.subarray(0, count), end: 1 + packed.length };
}

function decodeValues(reader: Reader, count: number, kind: Physical, dictionary: Dictionary | null): Dense {
  const encoding = reader.u8();
  if (encoding === BLOCK_ENCODING.runs) return decodeRuns(reader, count, kind, dictionary);
  if (kind === 'bytes') return decodeBytes(reader, count, encoding, dictionary);
  if (kind === 'u8') return decodeSmall(reader, count, encoding);
  if (kind === 'f64') return decodeDoubles(reader, count, encoding);
  return decodeIntegers(reader, count, encoding, kind);
}

function decodeSmall(reader: Reader, count: number, encoding: number): Dense {
  if (encoding === ENCODING.u8)
    return { form: 'numbers', data: new Uint8Array(aligned(reader.take(count))), base: 0, unit: 0 };
  if (encoding !== BLOCK_ENCODING.bits) throw unexpected('u8', encoding);
  const packed = reader.take(Math.ceil(count / 8));
  const data = new Uint8Array(count);
  for (let i = 0; i < count; i++) data[i] = (packed[i >> 3]! >> (i & 7)) & 1;
  return { form: 'numbers', data, base: 0, unit: 0 };
}

function decodeDoubles(reader: Reader, count: number, encoding: number): Dense {
  if (encoding === ENCODING.f64) {
    return { form: 'numbers', data: new Float64Array(aligned(reader.take(count * 8))), base: 0, unit: 0 };
  }
  if (encoding !== BLOCK_ENCODING.decimals) throw unexpected('f64', encoding);
  const digits = reader.u8();
  if (digits > DIGITS_MAX)
    throw new Fault('corrupt', `${digits} digits, expected at most ${DIGITS_MAX}`, { got: digits });
  const wholes = decodeValues(reader, count, 'whole', null);
  const data = new Float64Array(count);
  const power = 10 ** digits;
  if (wholes.form !== 'numbers') throw unexpected('f64', encoding);
  for (let i = 0; i < count; i++) {
    data[i] = (wholes.unit === 0 ? wholes.data[i]! : wholes.base + wholes.unit * wholes.data[i]!) / power;
  }
  return { form: 'numbers', data, base: 0, unit: 0 };
}

function decodeRuns(reader: Reader, count: number, kind: Physical, dictionary: Dictionary | null): Dense {
  const runs = reader.u32();
  const lengths = reader.u32s(runs);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== count)
    throw new Fault('corrupt', `runs of ${total} values, expected ${count}`, { got: total, expected: count });
  const encoding = reader.u8();
  if (encoding === BLOCK_ENCODING.runs) throw unexpected(kind, encoding);
  const heads = decodeHeads(reader, runs, kind, encoding, dictionary);
  if (heads.form === 'bytes') {
    return { ...heads, codes: repeatedCodes(heads, lengths, count), ...runsOf(heads, lengths) };
  }
  if (heads.form === 'longs') return { ...heads, data: repeated(heads.data, new BigInt64Array(count), lengths) };
  const data = heads.data.constructor as new (length: number) => Numbers;
  return { ...heads, data: repeated(heads.data, new data(count), lengths) };
}

function decodeHeads(
  reader: Reader,
  count: number,
  kind: Physical,
  encoding: number,
  dictionary: Dictionary | null,
): Dense {
  if (kind === 'bytes') return decodeBytes(reader, count, encoding, dictionary);
  if (kind === 'u8') return decodeSmall(reader, count, encoding);
  if (kind === 'f64') return decodeDoubles(reader, count, encoding);
  return decodeIntegers(reader, count, encoding, kind);
}

function decodeBytes(reader: Reader, count: number, encoding: number, dictionary: Dictionary | null): Dense {
  if (encoding === ENCODING.bytes) return dense(decodeEntries(reader, count), null);
  if (encoding === ENCODING.dictionary) {
    const entries = decodeEntries(reader, reader.u32());
    return dense(entries, decodeCodes(reader, count, entries.entryCount));
  }
  if (encoding !== BLOCK_ENCODING.codes || dictionary === null) throw unexpected('bytes', encoding);
  return dense(dictionary, decodeCodes(reader, count, dictionary.entryCount));
}

function dense({ starts, lengths, arena, entryCount }: Dictionary, codes: Uint8Array | Uint16Array | null): Dense {
  return { form: 'bytes', codes, starts, lengths, arena, entryCount, runEnds: null, runPrefixes: null };
}

function decodeEntries(reader: Reader, entryCount: number): Dictionary {
  const lengths = reader.u32s(entryCount);
  const starts = new Uint32Array(entryCount);
  let total = 0;
  for (let entry = 0; entry < entryCount; entry++) {
    starts[entry] = total;
    total += lengths[entry]!;
  }
  return { starts, lengths, arena: Buffer.from(aligned(reader.take(total))), entryCount };
}

function decodeCodes(reader: Reader, count: number, entryCount: number): Uint8Array | Uint16Array {
  const codes = reader.unsigned(count, entryCount <= 256 ? 1 : 2) as Uint8Array | Uint16Array;
  for (let i = 0; i < count; i++) {
    if (codes[i]! >= entryCount)
      throw new Fault('corrupt', `dictionary code ${codes[i]} of ${entryCount}`, { got: codes[i]! });
  }
  return codes;
}
