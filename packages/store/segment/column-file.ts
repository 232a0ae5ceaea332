/**
 * One file of a segment: blocks of up to 65,536 rows, each compressed and checked by itself, and a footer that says
 * where they are and what they hold. The bytes, in order:
 *
 *   "TMCF", u16 format version (2), u16 0
 *   blocks: as stored; raw they are sections, each u32 length and that many bytes
 *   footer: JSON
 *   u32 footer length, u32 CRC-32 of the footer, "TMCF"
 *
 * All numbers are little-endian. What the sections are depends on the file: see `segment-writer.ts`.
 */

import { crc32, zstdDecompressSync } from 'node:zlib';
import type { Disk, DiskFile } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { z } from 'zod';
import { type Compression, Packer } from '../encoding/compression.ts';

/** The version in the header of every column file and in manifests; files of another one are refused. */
export const FORMAT_VERSION = 2;
const MAGIC = Buffer.from('TMCF');
const HEADER_BYTES = 8;
const TRAILER_BYTES = 12;
/** How much of the file's end is read at first, in the hope that the footer is in it. */
const TAIL_BYTES = 64 * 1024;
const WRITE_BYTES = 256 * 1024;

const stampShape = z.tuple([z.number(), z.number()]);

/** A block as the footer tells of it. */
const blockShape = z.object({
  /** Which block of the segment; those in which no row has a cell are not in the file. */
  number: z.number().int().nonnegative(),
  at: z.number().int().nonnegative(),
  stored: z.number().int().nonnegative(),
  raw: z.number().int().nonnegative(),
  zstd: z.boolean(),
  crc: z.number().int(),
  rows: z.number().int().positive(),
  /** Cells that hold a value, and deleted ones; the others are absent. */
  values: z.number().int(),
  deleted: z.number().int(),
  /** Bounds of the values, as `zone.ts` writes them. */
  min: z.string().nullable(),
  max: z.string().nullable(),
  /** Bounds of the stamps: [ms, low]. */
  stampMin: stampShape.nullable(),
  stampMax: stampShape.nullable(),
  /** In `key.col` only: first and last key, in hex. */
  first: z.string().optional(),
  last: z.string().optional(),
});
const footerShape = z.object({
  /** The column's id; null for `key.col`, `stamp.col` and `flags.col`. */
  column: z.number().int().nullable(),
  /** How its values are held: what encodings its blocks may have, and how bounds are written. */
  kind: z.enum(['u8', 'i32', 'f64', 'whole', 'i64', 'bytes']),
  blocks: z.array(blockShape),
});

type Footer = z.infer<typeof footerShape>;
/** A block as the footer tells of it: place, sizes, checksum and what it holds. */
export type Block = z.infer<typeof blockShape>;
/** What a file holds. */
export type FileContent = Omit<z.infer<typeof footerShape>, 'blocks'>;
/** What the writer of a block knows of it; the file adds where and how it is stored. */
export type BlockNotes = Omit<Block, 'number' | 'at' | 'stored' | 'raw' | 'zstd' | 'crc'>;

/** A file as the manifest names it; `crc` is the CRC-32 of all its bytes. */
export type FileSummary = { readonly bytes: number; readonly crc: number };

/** Writes one file from front to back; it counts only once it was finished and synced. */
export class ColumnFileWriter {
  readonly path: string;
  readonly content: FileContent;
  readonly #file: DiskFile;
  readonly #blocks: Block[] = [];
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #bytes = 0;
  #crc = 0;
  readonly #packer: Packer;

  static async create(
    disk: Disk,
    path: string,
    content: FileContent,
    compression: Compression,
  ): Promise<ColumnFileWriter> {
    return new ColumnFileWriter(path, await disk.create(path), content, compression);
  }

  private constructor(path: string, file: DiskFile, content: FileContent, compression: Compression) {
    this.#packer = new Packer(compression);
    this.path = path;
    this.content = content;
    this.#file = file;
    const header = Buffer.alloc(HEADER_BYTES);
    MAGIC.copy(header);
    header.writeUInt16LE(FORMAT_VERSION, 4);
    this.#take(header);
  }

  /** Adds a block; numbers rise. */
  async addBlock(number: number, sections: readonly Uint8Array[], notes: BlockNotes): Promise<void> {
    const raw = joinSections(sections);
    const packed = this.#packer.pack(raw);
    const zstd = packed !== null;
    const stored = packed ?? raw;
    const at = this.#bytes;
    this.#blocks.push({ number, at, stored: stored.length, raw: raw.length, zstd, crc: crc32(stored), ...notes });
    this.#take(stored);
    if (this.#waitingBytes >= WRITE_BYTES) await this.#write();
  }

  /** Writes the footer and makes the file durable. */
  async finish(): Promise<FileSummary> {
    const footer = Buffer.from(JSON.stringify({ ...this.content, blocks: this.#blocks }));
    const trailer = Buffer.alloc(TRAILER_BYTES);
    trailer.writeUInt32LE(footer.length, 0);
    trailer.writeUInt32LE(crc32(footer), 4);
    MAGIC.copy(trailer, 8);
    this.#take(footer);
    this.#take(trailer);
    await this.#write();
    await this.#file.sync();
    await this.#file.close();
    return { bytes: this.#bytes, crc: this.#crc };
  }

  /** Gives the file up; it stays as it is. */
  async abandon(): Promise<void> {
    await this.#file.close();
  }

  #take(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#bytes += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#file.append(bytes);
  }
}

function joinSections(sections: readonly Uint8Array[]): Buffer {
  const lengths = sections.map((section) => {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(section.length);
    return length;
  });
  return Buffer.concat(sections.flatMap((section, i) => [lengths[i]!, section]));
}

/** One file whose footer was checked when it was opened; each block is checked when it is read. */
export class ColumnFile {
  readonly path: string;
  readonly content: FileContent;
  /** In order of their numbers. */
  readonly blocks: readonly Block[];
  /** By number; without those that are not in the file. */
  readonly #byNumber: readonly (Block | undefined)[];
  readonly #disk: Disk;

  /** @throws {Fault} `corrupt`: not whole, not one of ours, or of another format version; names both. */
  static async open(disk: Disk, path: string, bytes: number): Promise<ColumnFile> {
    const start = Math.max(0, bytes - TAIL_BYTES);
    let tail = await readAt(disk, path, start, bytes - start);
    if (start + tail.length !== bytes || bytes < HEADER_BYTES + TRAILER_BYTES) {
      throw damaged(path, path, `${start + tail.length} bytes`, `${bytes} bytes`);
    }
    const trailer = tail.subarray(tail.length - TRAILER_BYTES);
    if (!trailer.subarray(8).equals(MAGIC))
      throw damaged(path, path, trailer.toString('hex', 8), MAGIC.toString('hex'));
    const footerBytes = trailer.readUInt32LE(0);
    const footerAt = bytes - TRAILER_BYTES - footerBytes;
    if (footerAt < HEADER_BYTES) throw damaged(path, path, `a footer of ${footerBytes} bytes`, `a file of ${bytes}`);
    if (footerAt < start) tail = await readAt(disk, path, footerAt, bytes - footerAt);
    const from = tail.length - TRAILER_BYTES - footerBytes;
    const footer = tail.subarray(from, from + footerBytes);
    if (crc32(footer) !== trailer.readUInt32LE(4)) {
      throw damaged(path, `${path}, footer`, sum(crc32(footer)), sum(trailer.readUInt32LE(4)));
    }
    await checkHeader(disk, path);
    return new ColumnFile(disk, path, parseFooter(path, footer));
  }

  private constructor(disk: Disk, path: string, { blocks, ...content }: Footer) {
    this.#disk = disk;
    this.path = path;
    this.content = content;
    this.blocks = blocks;
    const byNumber: (Block | undefined)[] = [];
    for (const block of blocks) byNumber[block.number] = block;
    this.#byNumber = byNumber;
  }

  /** What the footer tells of a block; undefined when no row of it has a cell. */
  block(number: number): Block | undefined {
    return this.#byNumber[number];
  }

  /**
   * The sections of a block; none when no row of it has a cell.
   * @throws {Fault} `corrupt`: names file, block and both sums.
   */
  async readBlock(number: number): Promise<Buffer[]> {
    if (this.#byNumber[number] === undefined) return [];
    return splitSections(this.path, `${this.path}, block ${number}`, await this.readRaw(number));
  }

  /** A block that is in the file, unpacked. @throws {Fault} as `readBlock`. */
  async readRaw(number: number): Promise<Buffer> {
    const block = this.#byNumber[number]!;
    const stored = await readAt(this.#disk, this.path, block.at, block.stored);
    const where = `${this.path}, block ${number}`;
    if (crc32(stored) !== block.crc) throw damaged(this.path, where, sum(crc32(stored)), sum(block.crc));
    return block.zstd ? unpack(this.path, where, stored, block.raw) : stored;
  }
}

async function checkHeader(disk: Disk, path: string): Promise<void> {
  const header = await readAt(disk, path, 0, HEADER_BYTES);
  if (header.length < HEADER_BYTES || !header.subarray(0, 4).equals(MAGIC)) {
    throw damaged(path, path, header.toString('hex', 0, 4), MAGIC.toString('hex'));
  }
  const version = header.readUInt16LE(4);
  if (version === FORMAT_VERSION) return;
  // A newer program's files are named by manifests of its format, which are refused before any file is looked at.
  throw new Fault('corrupt', `${path} has format version ${version}; this program reads version ${FORMAT_VERSION}`, {
    got: version,
    expected: FORMAT_VERSION,
    path,
  });
}

function parseFooter(path: string, footer: Buffer): Footer {
  try {
    return footerShape.parse(JSON.parse(footer.toString('utf8')));
  } catch (error) {
    throw new Fault('corrupt', `${path}: the footer cannot be read: ${messageOf(error)}`, { cause: error, path });
  }
}

function unpack(path: string, where: string, stored: Uint8Array, rawBytes: number): Buffer {
  try {
    const raw = zstdDecompressSync(stored, { maxOutputLength: Math.max(1, rawBytes) });
    if (raw.length !== rawBytes) throw damaged(path, where, `${raw.length} bytes`, `${rawBytes} bytes`);
    return raw;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('corrupt', `${where}: does not decompress: ${messageOf(error)}`, { cause: error, path });
  }
}

function splitSections(path: string, where: string, raw: Buffer): Buffer[] {
  const sections: Buffer[] = [];
  for (let at = 0; at < raw.length; ) {
    const length = at + 4 <= raw.length ? raw.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > raw.length)
      throw damaged(path, where, `a section of ${length} bytes at ${at}`, `${raw.length}`);
    sections.push(raw.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return sections;
}

function damaged(path: string, where: string, got: string, expected: string): Fault {
  return new Fault('corrupt', `${where}: found ${got}, expected ${expected}`, { got, expected, path });
}

/** A file that the manifest names and that is not there is as wrong as one with other bytes. */
async function readAt(disk: Disk, path: string, offset: number, length: number): Promise<Buffer> {
  try {
    const bytes = await disk.readAt(path, offset, length);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (error) {
    if (isFault(error, 'notFound')) throw damaged(path, path, 'no file', 'one of that name');
    throw error;
  }
}

/** A checksum as people compare it. */
function sum(crc: number): string {
  return `checksum ${(crc >>> 0).toString(16).padStart(8, '0')}`;
}
