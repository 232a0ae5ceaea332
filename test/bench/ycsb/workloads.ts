/**
 * The core workloads of YCSB, A to F, as lists of what is done: both sides get the same one. Rows have ten fields of 100
 * characters; a read takes them all, an update writes one.
 */

import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import { type Draw, fnv64, latest, scrambled } from './distributions.ts';

export const FIELDS = 10;
export const FIELD_CHARS = 100;
/** Rows of a scan, at most. */
const SCAN_ROWS_MAX = 100;
/** Rows that a bucket of workload E has. */
const BUCKET_ROWS = 1_000;
/** So many of the newest rows may not be acked yet, and are not asked for. */
const UNDER_WAY = 256;
const POOL_CHARS = 1 << 20;

/** What one operation does. `modify` reads a row and writes one field of it. */
export type Kind = 'read' | 'update' | 'insert' | 'scan' | 'modify';

/** One operation; `value` is the text that is written, `length` the rows of a scan. */
export type Operation = { readonly kind: Kind; readonly row: number; readonly value: string; readonly length: number };

type Mix = { readonly shares: Readonly<Partial<Record<Kind, number>>>; readonly drawn: 'zipfian' | 'latest' };

/** YCSB's own shares and distributions. */
export const WORKLOADS: Readonly<Record<string, Mix>> = {
  A: { shares: { read: 0.5, update: 0.5 }, drawn: 'zipfian' },
  B: { shares: { read: 0.95, update: 0.05 }, drawn: 'zipfian' },
  C: { shares: { read: 1 }, drawn: 'zipfian' },
  D: { shares: { read: 0.95, insert: 0.05 }, drawn: 'latest' },
  E: { shares: { scan: 0.95, insert: 0.05 }, drawn: 'zipfian' },
  F: { shares: { read: 0.5, modify: 0.5 }, drawn: 'zipfian' },
};

/** The operations of one run. @param rows there are already; what is inserted goes on from there */
export function operations(name: string, rows: number, count: number, seed: number): Operation[] {
  const { shares, drawn } = WORKLOADS[name]!;
  const random = new SeededRandom(seed);
  const draw: Draw = drawn === 'latest' ? latest(rows, random) : scrambled(rows, random);
  let there = rows;
  return Array.from({ length: count }, () => {
    const kind = kindOf(shares, random);
    const row = kind === 'insert' ? there++ : draw(Math.max(rows, there - UNDER_WAY));
    const at = integerBetween(random, 0, POOL_CHARS - FIELD_CHARS);
    return { kind, row, value: POOL.slice(at, at + FIELD_CHARS), length: integerBetween(random, 1, SCAN_ROWS_MAX) };
  });
}

function kindOf(shares: Mix['shares'], random: Random): Kind {
  let rest = random.fraction();
  for (const [kind, share] of Object.entries(shares)) {
    rest -= share;
    if (rest < 0) return kind as Kind;
  }
  return Object.keys(shares)[0] as Kind;
}

/** The key of a row of workloads A to D and F: in no order. */
export function keyOf(row: number): string {
  return `user${fnv64(row)}`;
}

/** The key of a row of workload E: in order within its bucket. */
export function bucketKeyOf(row: number): { readonly bucket: number; readonly id: string } {
  return { bucket: Math.floor(row / BUCKET_ROWS), id: `user${String(row).padStart(12, '0')}` };
}

/** The first value of a row's field. */
export function textOf(row: number, field: number): string {
  const at = (Math.imul(row * FIELDS + field, 0x9e3779b1) >>> 0) % (POOL_CHARS - FIELD_CHARS);
  return POOL.slice(at, at + FIELD_CHARS);
}

export function fieldsOf(row: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: FIELDS }, (_, field) => [`field${field}`, textOf(row, field)]));
}

/** The field that an operation writes. */
export function writtenField({ row }: Operation): string {
  return `field${row % FIELDS}`;
}

const POOL = ((): string => {
  const random = new SeededRandom(1);
  const bytes = Buffer.from(Uint8Array.from({ length: (POOL_CHARS * 3) / 4 }, () => integerBetween(random, 0, 255)));
  return bytes.toString('base64url');
})();
