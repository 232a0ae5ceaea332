/** Writes one file of a segment; `column-file.ts` says what its bytes are. */

import { crc32 } from 'node:zlib';
import type { Physical } from '@tidemark/model/column-type';
import type { Disk, DiskFile } from '@tidemark/platform/disk';
import { type Compression, Packer } from '../encoding/compression.ts';
import { cutSection } from '../encoding/cut-section.ts';
import {
  type Block,
  type BlockNotes,
  type FileContent,
  type FileSummary,
  FORMAT_VERSION,
  HEADER_BYTES,
  MAGIC,
  TRAILER_BYTES,
} from './column-file.ts';
import { PageList } from './page-list.ts';

const WRITE_BYTES = 256 * 1024;

/** What is written of a block. Sections come in pieces, which are put together once. */
export type BlockParts = {
  /** Rows of each unit but the last. */
  readonly unitRows: number;
  readonly dictionary: Uint8Array | null;
  /** The sections of each unit. */
  readonly units: readonly (readonly (readonly Uint8Array[])[])[];
  /** In `key.col` what every unit but the first begins with (`page-list.ts`); elsewhere none. */
  readonly separators: readonly Uint8Array[];
};

/** A block that is not cut. */
export function uncut(sections: readonly Uint8Array[], rowCount: number): BlockParts {
  const unit = sections.map((section) => [section]);
  return { unitRows: rowCount, dictionary: null, units: unit.length === 0 ? [] : [unit], separators: [] };
}

/**
 * Sections of a block, each a column of that kind: the first has cells; the others, where there are any, stamps, which a
 * unit without any does not have. When a block is one unit, it has its dictionary in itself.
 * @param unitRows a power of two, four at least
 */
export function cutBlock(
  sections: readonly Buffer[],
  rowCount: number,
  kinds: readonly Physical[],
  unitRows: number,
): BlockParts {
  if (unitRows >= rowCount) return uncut(sections, rowCount);
  const cut = sections.map((section, i) => cutSection(section, rowCount, kinds[i]!, unitRows));
  // Of stamps, all three are there or none; where stamps are all there is, a unit without any is empty.
  const hasStamps = (unit: number): boolean => cut.at(-1)!.values[unit]! > 0;
  const isOfStamps = kinds[0] === 'whole' && sections.length === 3;
  const units = cut[0]!.units.map((pieces, unit) => {
    if (isOfStamps) return hasStamps(unit) ? cut.map(({ units }) => units[unit]!) : [];
    return sections.length > 1 && hasStamps(unit) ? cut.map(({ units }) => units[unit]!) : [pieces];
  });
  return { unitRows, dictionary: cut[0]!.dictionary, units, separators: [] };
}

/** Writes one file from front to back; it counts only once it was finished and synced. */
export class ColumnFileWriter {
  readonly path: string;
  readonly content: FileContent;
  readonly #file: DiskFile;
  readonly #blocks: Block[] = [];
  readonly #pages = new PageList();
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
  async addBlock(number: number, parts: BlockParts, notes: BlockNotes): Promise<void> {
    const { unitRows, dictionary, separators } = parts;
    const units = parts.units.map(joinSections);
    const raws = dictionary === null ? units : [dictionary, ...units];
    const at = this.#bytes;
    const packed = this.#packer.pack(units);
    if (dictionary !== null) packed.unshift(this.#packer.packAlone(dictionary));
    let raw = 0;
    for (const [i, page] of raws.entries()) {
      const stored = packed[i] ?? page;
      this.#pages.add(stored.length, packed[i] !== null, crc32(stored));
      this.#take(stored);
      raw += page.length;
    }
    this.#pages.addSeparators(separators);
    const stored = this.#bytes - at;
    this.#blocks.push({ number, at, stored, raw, unitRows, dictionary: dictionary !== null, ...notes });
    if (this.#waitingBytes >= WRITE_BYTES) await this.#write();
  }

  /** Writes the directory and the footer and makes the file durable. */
  async finish(): Promise<FileSummary> {
    const directory = this.#pages.bytes();
    const of = { bytes: directory.length, crc: crc32(directory) };
    const footer = Buffer.from(JSON.stringify({ ...this.content, directory: of, blocks: this.#blocks }));
    const trailer = Buffer.alloc(TRAILER_BYTES);
    trailer.writeUInt32LE(footer.length, 0);
    trailer.writeUInt32LE(crc32(footer), 4);
    MAGIC.copy(trailer, 8);
    this.#take(directory);
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

function joinSections(sections: readonly (readonly Uint8Array[])[]): Buffer {
  const all: Uint8Array[] = [];
  for (const pieces of sections) {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(pieces.reduce((sum, piece) => sum + piece.length, 0));
    all.push(length, ...pieces);
  }
  return Buffer.concat(all);
}
