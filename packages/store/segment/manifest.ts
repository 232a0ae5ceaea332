/**
 * The manifest: which segments a partition consists of, and the positions they contain. `manifest.000042` is two lines:
 * the JSON, and `crc32 xxxxxxxx` of the first line's bytes. One rename makes a new one count; the one before is kept.
 */

import { crc32 } from 'node:zlib';
import type { Table } from '@tidemark/model/table';
import { type Disk, replaceFile } from '@tidemark/platform/disk';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { z } from 'zod';
import { FORMAT_VERSION } from './column-file.ts';

const kindShape = z.enum(['u8', 'i32', 'f64', 'whole', 'i64', 'bytes']);
const fileShape = z.object({
  name: z.string(),
  /** The column's id; null for files that are not one column's. */
  column: z.number().int().nullable(),
  kind: kindShape,
  bytes: z.number().int(),
  crc: z.number().int(),
  /** In `cells.col`: the columns that have cells in it, by id, their kinds, and about the bytes that these cells take. */
  columns: z.array(z.tuple([z.number().int(), kindShape, z.number().int()])).optional(),
});
const segmentShape = z.object({
  name: z.string(),
  rows: z.number().int().positive(),
  /** First and last row key, in hex. */
  first: z.string(),
  last: z.string(),
  files: z.array(fileShape),
  /** Which rows are live (see `live-bits.ts`), and how many are not; null: all are. */
  live: z
    .object({ name: z.string(), bytes: z.number().int(), crc: z.number().int(), dead: z.number().int() })
    .nullable(),
  /** What was found wrong with it; then its rows are joined with all others' when read, and it stays as it is. */
  damage: z.string().nullable(),
});
const typeShape = z.union([
  z.object({ name: z.enum(['boolean', 'int', 'long', 'double', 'string', 'bytes', 'timestamp', 'date']) }),
  z.object({ name: z.literal('decimal'), precision: z.number().int(), scale: z.number().int() }),
]);
const tableShape: z.ZodType<Table> = z.object({
  id: z.number().int(),
  name: z.string(),
  columns: z.array(
    z.object({
      id: z.number().int(),
      name: z.string(),
      type: typeShape,
      dropped: z.boolean(),
      dynamic: z.literal(true).exactOptional(),
    }),
  ),
  key: z.array(z.number().int()),
  dynamicColumnsMax: z.number().int(),
  dynamicColumns: z.number().int(),
});
const manifestShape = z.object({
  format: z.number().int(),
  generation: z.number().int().positive(),
  /** Number of the next segment's folder. */
  nextSegment: z.number().int().positive(),
  table: tableShape.nullable(),
  /** The keyspace's version that the table is of; left out where nobody said. */
  schema: z.number().int().optional(),
  /** Origin site → the last position whose rows are in the segments. */
  positions: z.record(z.string(), z.object({ epoch: z.number().int(), seq: z.number().int() })),
  segments: z.array(segmentShape),
  /** Deletions with smaller stamps may be missing in the segments (see `purge.ts`); left out while none is. */
  purged: z.object({ ms: z.number().int(), counter: z.number().int() }).optional(),
});

/** A segment's file as the manifest has it: name, bytes and checksum, so that a changed file is noticed. */
export type SegmentFile = z.infer<typeof fileShape>;
/** A segment as the manifest has it: its folder, files and rows. */
export type SegmentEntry = z.infer<typeof segmentShape>;
/** A segment as it was written, for ever. */
export type SegmentSummary = Omit<SegmentEntry, 'live' | 'damage'>;
/** The file of a segment's deletion vector; a segment without one has only live rows. */
export type DeletionVectorFile = NonNullable<SegmentEntry['live']>;
/** One generation of a partition, as JSON of the first line. */
export type Manifest = z.infer<typeof manifestShape>;

/** A partition before its first flush; it is never written. */
export const EMPTY_MANIFEST: Manifest = {
  format: FORMAT_VERSION,
  generation: 0 as number,
  nextSegment: 1,
  table: null,
  positions: {},
  segments: [],
};

/** The file's name for a generation, `manifest.000042`; six digits, more when they are needed. */
export function manifestName(generation: number): string {
  return `manifest.${String(generation).padStart(6, '0')}`;
}

/** The generation in a manifest's file name; null for any other name. */
export function generationOf(name: string): number | null {
  const match = /^manifest\.(\d{6,})$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** The folder's name for a segment's number, `seg-000042`; six digits, more when they are needed. */
export function segmentName(number: number): string {
  return `seg-${String(number).padStart(6, '0')}`;
}

/** Makes a manifest count: durable on return, with everything it names durable before. */
export async function writeManifest(disk: Disk, folder: string, manifest: Manifest): Promise<void> {
  const json = Buffer.from(JSON.stringify(manifest));
  const line = Buffer.from(`\ncrc32 ${crc32(json).toString(16).padStart(8, '0')}\n`);
  await replaceFile(disk, `${folder}/${manifestName(manifest.generation)}`, Buffer.concat([json, line]));
}

/**
 * @throws {Fault} `corrupt`: not whole; names the file and both sums. `invalid`: written by a newer version; names both.
 */
export async function readManifest(disk: Disk, folder: string, generation: number): Promise<Manifest> {
  const path = `${folder}/${manifestName(generation)}`;
  const bytes = Buffer.from(await disk.read(path));
  const end = bytes.indexOf(0x0a);
  const json = bytes.subarray(0, Math.max(0, end));
  const found = bytes.toString('latin1', end + 1);
  const expected = `crc32 ${crc32(json).toString(16).padStart(8, '0')}\n`;
  if (end === -1 || found !== expected) {
    throw new Fault('corrupt', `${path}: found "${found.trim()}", expected "${expected.trim()}"`, {
      got: found.trim(),
      expected: expected.trim(),
    });
  }
  return parseManifest(path, json);
}

function parseManifest(path: string, json: Buffer): Manifest {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    const format = z.object({ format: z.number() }).parse(value).format;
    if (format !== FORMAT_VERSION) {
      throw new Fault('invalid', `${path} has format version ${format}; this program reads version ${FORMAT_VERSION}`, {
        got: format,
        expected: FORMAT_VERSION,
      });
    }
    return manifestShape.parse(value);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('corrupt', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
