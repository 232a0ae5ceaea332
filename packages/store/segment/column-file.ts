/**
 * One file of a segment: blocks of up to 65,536 rows, in units of some rows, each compressed and checked by itself, and a
 * directory and a footer that say where they are and what they hold. The bytes, in order:
 *
 *   "TMCF", u16 format version (4), u16 0
 *   blocks: the dictionary, if there is one, and the units, as stored; raw a unit is sections, each u32 length and bytes
 *   directory: see `page-list.ts`
 *   footer: JSON
 *   u32 footer length, u32 CRC-32 of the footer, "TMCF"
 *
 * All numbers are little-endian. What the sections are depends on the file: see `segment-writer.ts`.
 */

import { crc32, zstdDecompressSync } from 'node:zlib';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { z } from 'zod';
import { Pages } from './page-list.ts';

/** The version in the header of every column file and in manifests; files of another one are refused. */
export const FORMAT_VERSION = 4;
/** Begins and ends each file. */
export const MAGIC = Buffer.from('TMCF');
/** Before the first block. */
export const HEADER_BYTES = 8;
/** Behind the footer. */
export const TRAILER_BYTES = 12;
/** How much of the file's end is read at first, in the hope that the footer is in it. */
const TAIL_BYTES = 64 * 1024;
/** A dictionary that lies no further before a unit is read with it in one. */
const GAP_BYTES_MAX = 32 * 1024;
/** Memory that one page is unpacked in at first: pages of a block are about as large as one another. */
const UNPACK_BYTES_MIN = 1024;

const stampShape = z.tuple([z.number(), z.number()]);

/** A block as the footer tells of it. */
const blockShape = z.object({
  /** Which block of the segment; those in which no row has a cell are not in the file. */
  number: z.number().int().nonnegative(),
  at: z.number().int().nonnegative(),
  stored: z.number().int().nonnegative(),
  raw: z.number().int().nonnegative(),
  /** Rows of each unit but the last; in `key.col`, of what separators stand before. */
  unitRows: z.number().int().positive(),
  /** Whether a page of texts stands before the units, which have codes of them. */
  dictionary: z.boolean(),
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
  directory: z.object({ bytes: z.number().int().nonnegative(), crc: z.number().int() }),
  blocks: z.array(blockShape),
});

type Footer = z.infer<typeof footerShape>;
/** A block as the footer tells of it: place, sizes, checksum and what it holds. */
export type Block = z.infer<typeof blockShape>;
/** What a file holds. */
export type FileContent = Omit<z.infer<typeof footerShape>, 'blocks' | 'directory'>;
/** What the writer of a block knows of it; the file adds where and how it is stored. */
export type BlockNotes = Omit<Block, 'number' | 'at' | 'stored' | 'raw' | 'unitRows' | 'dictionary'>;

/** A file as the manifest names it; `crc` is the CRC-32 of all its bytes. */
export type FileSummary = { readonly bytes: number; readonly crc: number };

/** A block's pages, unpacked. */
export type RawBlock = {
  /** Null when it has none. */
  readonly dictionary: Buffer | null;
  /** The sections of each unit. */
  readonly units: readonly (readonly Buffer[])[];
};

/** One file whose directory and footer were checked when it was opened; each page is checked when it is read. */
export class ColumnFile {
  readonly path: string;
  readonly content: FileContent;
  /** In order of their numbers. */
  readonly blocks: readonly Block[];
  /** By number; without those that are not in the file. */
  readonly #byNumber: readonly (Block | undefined)[];
  /** By number, the first of a block's pages, and of its separators. */
  readonly #firstPages: readonly number[];
  readonly #firstSeparators: readonly number[];
  readonly #pages: Pages;
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
    const parsed = parseFooter(path, footer);
    const { directory } = parsed;
    const directoryAt = footerAt - directory.bytes;
    if (directoryAt < HEADER_BYTES)
      throw damaged(path, path, `a directory of ${directory.bytes} bytes`, `a file of ${bytes}`);
    const isRead = directory.bytes <= from;
    const list = isRead
      ? tail.subarray(from - directory.bytes, from)
      : await readAt(disk, path, directoryAt, directory.bytes);
    if (crc32(list) !== directory.crc) {
      throw damaged(path, `${path}, directory`, sum(crc32(list)), sum(directory.crc));
    }
    return new ColumnFile(disk, path, parsed, list);
  }

  private constructor(disk: Disk, path: string, { blocks, directory, ...content }: Footer, list: Buffer) {
    this.#disk = disk;
    this.path = path;
    this.content = content;
    this.blocks = blocks;
    const byNumber: (Block | undefined)[] = [];
    const firstPages: number[] = [];
    const firstSeparators: number[] = [];
    const isOfKeys = path.endsWith('/key.col');
    let [pages, separators] = [0, 0];
    for (const block of blocks) {
      byNumber[block.number] = block;
      firstPages[block.number] = pages;
      firstSeparators[block.number] = separators;
      pages += (block.dictionary ? 1 : 0) + unitsOf(block);
      if (isOfKeys) separators += placesOf(block) - 1;
    }
    this.#byNumber = byNumber;
    this.#firstPages = firstPages;
    this.#firstSeparators = firstSeparators;
    const read = Pages.of(list, pages, separators);
    if (read === null) {
      throw damaged(
        path,
        `${path}, directory`,
        `${directory.bytes} bytes`,
        `${pages} pages and ${separators} separators`,
      );
    }
    this.#pages = read;
  }

  /** What the footer tells of a block; undefined when no row of it has a cell. */
  block(number: number): Block | undefined {
    return this.#byNumber[number];
  }

  /** Units of a block that are compressed. */
  zstdUnits(number: number): number {
    const [first, end] = this.#pagesOf(this.#byNumber[number]!);
    let count = 0;
    for (let page = first; page < end; page++) if (this.#pages.isZstd(page)) count++;
    return this.#byNumber[number]!.dictionary && this.#pages.isZstd(first) ? count - 1 : count;
  }

  /** In `key.col`, the first of the rows of a block, `unitRows` of them, among which a key is if it is in the block. */
  rowBefore(number: number, key: Uint8Array): number {
    const block = this.#byNumber[number]!;
    return this.#pages.separatorsUpTo(key, this.#firstSeparators[number]!, placesOf(block) - 1) * block.unitRows;
  }

  /**
   * A block, unpacked, in one read; without units when no row of it has a cell.
   * @throws {Fault} `corrupt`: names file, block, unit and both sums.
   */
  async readBlock(number: number): Promise<RawBlock> {
    const block = this.#byNumber[number];
    if (block === undefined) return { dictionary: null, units: [] };
    const raw = await this.readRaw(number);
    const dictionary = block.dictionary ? raw.shift()! : null;
    return { dictionary, units: raw.map((page, unit) => this.#sections(block, unit, page)) };
  }

  /** The pages of a block that is in the file, its dictionary first. Throws as `readBlock`. */
  async readRaw(number: number): Promise<Buffer[]> {
    const block = this.#byNumber[number]!;
    const [first, end] = this.#pagesOf(block);
    if (first === end) return [];
    const raw = await this.#read(block, first, end);
    const bytes = raw.reduce((sum, page) => sum + page.length, 0);
    if (bytes !== block.raw) throw damaged(this.path, this.#where(block), `${bytes} bytes`, `${block.raw} bytes`);
    return raw;
  }

  /**
   * One unit of a block that is in the file, and the dictionary with it when that is asked for. Throws as `readBlock`.
   */
  async readUnit(number: number, unit: number, hasDictionary: boolean): Promise<RawBlock> {
    const block = this.#byNumber[number]!;
    const [first] = this.#pagesOf(block);
    const page = first + (block.dictionary ? 1 : 0) + unit;
    if (!hasDictionary) {
      const [own] = await this.#read(block, page, page + 1);
      return { dictionary: null, units: [this.#sections(block, unit, own!)] };
    }
    const isNear = this.#pages.at(page) - this.#pages.at(first + 1) <= GAP_BYTES_MAX;
    const [own, dictionary] = isNear
      ? await this.#read(block, first, page + 1).then((pages) => [pages.at(-1)!, pages[0]!] as const)
      : await Promise.all([this.#read(block, page, page + 1), this.#read(block, first, first + 1)]).then(
          ([own, dictionary]) => [own[0]!, dictionary[0]!] as const,
        );
    return { dictionary, units: [this.#sections(block, unit, own)] };
  }

  /** A block's first page, and what follows its last. */
  #pagesOf(block: Block): readonly [number, number] {
    const first = this.#firstPages[block.number]!;
    return [first, first + (block.dictionary ? 1 : 0) + unitsOf(block)];
  }

  /** Pages of a block, which lie one behind the other, checked and unpacked. */
  async #read(block: Block, from: number, to: number): Promise<Buffer[]> {
    const pages = this.#pages;
    const begin = pages.at(from);
    const at = block.at + begin - pages.at(this.#firstPages[block.number]!);
    const stored = await readAt(this.#disk, this.path, at, pages.at(to) - begin);
    const raws: Buffer[] = [];
    for (let page = from; page < to; page++) {
      const bytes = stored.subarray(pages.at(page) - begin, pages.at(page + 1) - begin);
      const where = (): string => this.#where(block, page);
      if (crc32(bytes) !== pages.crc(page)) throw damaged(this.path, where(), sum(crc32(bytes)), sum(pages.crc(page)));
      raws.push(pages.isZstd(page) ? unpack(this.path, where, bytes, block.raw, unitsOf(block)) : bytes);
    }
    return raws;
  }

  #sections(block: Block, unit: number, raw: Buffer): Buffer[] {
    const page = this.#pagesOf(block)[0] + (block.dictionary ? 1 : 0) + unit;
    return splitSections(this.path, () => this.#where(block, page), raw);
  }

  #where(block: Block, page?: number): string {
    const { number, dictionary } = block;
    const place = page === undefined ? null : page - this.#firstPages[number]! - (dictionary ? 1 : 0);
    const isOne = place === null || (place === 0 && unitsOf(block) === 1);
    return `${this.path}, block ${number}${isOne ? '' : place < 0 ? ', dictionary' : `, unit ${place}`}`;
  }
}

/** How many units a block has in its file: none where key columns say what the keys are. */
export function unitsOf(block: Pick<Block, 'rows' | 'stored' | 'unitRows'>): number {
  return block.stored === 0 ? 0 : placesOf(block);
}

function placesOf({ rows, unitRows }: Pick<Block, 'rows' | 'unitRows'>): number {
  return Math.ceil(rows / unitRows);
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

/** One zstd frame, of about `rawBytes` in so many, and never more than that. */
function unpack(path: string, where: () => string, stored: Uint8Array, rawBytes: number, count: number): Buffer {
  const chunkSize = Math.max(UNPACK_BYTES_MIN, Math.ceil((rawBytes / count) * 1.25));
  try {
    return zstdDecompressSync(stored, { chunkSize, maxOutputLength: Math.max(1, rawBytes) });
  } catch (error) {
    throw new Fault('corrupt', `${where()}: does not decompress: ${messageOf(error)}`, { cause: error, path });
  }
}

function splitSections(path: string, where: () => string, raw: Buffer): Buffer[] {
  const sections: Buffer[] = [];
  for (let at = 0; at < raw.length; ) {
    const length = at + 4 <= raw.length ? raw.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > raw.length)
      throw damaged(path, where(), `a section of ${length} bytes at ${at}`, `${raw.length}`);
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
