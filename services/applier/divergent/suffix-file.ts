/**
 * A divergent suffix on disk: `tails/<keyspace>/<origin>-<epoch>.ndjson` with a line for each row, its verdicts beside it
 * once they were asked for, and a summary that counts and hashes. The summary is written last: without it there is none.
 */

import { createHash } from 'node:crypto';
import type { Disk, DiskFile } from '@tidemark/platform/disk';
import type { Logger } from '@tidemark/platform/logger';
import { asWritten, readDerived, writeState } from '@tidemark/platform/state-file';
import { CELL_VERDICTS, type CellVerdict, type RowVerdicts } from './classify.ts';

const WRITE_BYTES = 256 * 1024;

/** `exported`: it is in the file. `applied`: what was lost of it was written again. `discarded`: the file was removed. */
export type SuffixFate = 'exported' | 'applied' | 'discarded';

/** What a written divergent suffix holds and what became of it, as stored JSON. */
export type SuffixSummary = {
  readonly keyspace: string;
  readonly origin: string;
  readonly epoch: number;
  /** Sites whose copies hold some of it, as far as they answered. */
  readonly sites: readonly string[];
  readonly records: number;
  readonly rows: number;
  /** SHA-256 of the file with the rows, in hex. */
  readonly sha256: string;
  /** Relative to the data folder. */
  readonly file: string;
  /** Cells by verdict; null while nobody asked. */
  readonly cells: Readonly<Record<CellVerdict, number>> | null;
  readonly fate: SuffixFate;
};

function tailFolder(keyspace: string): string {
  return `tails/${keyspace}`;
}

function pathOf(keyspace: string, origin: string, epoch: number): string {
  return `${tailFolder(keyspace)}/${origin}-${epoch}`;
}

/** Every tail that is known here. */
export async function readSummaries(disk: Disk, keyspace: string, logger: Logger): Promise<SuffixSummary[]> {
  const names = (await disk.list(tailFolder(keyspace))).filter((name) => name.endsWith('.json'));
  const summaries = await Promise.all(
    names.map((name) => readSummary(disk, `${tailFolder(keyspace)}/${name.slice(0, -'.json'.length)}`, logger)),
  );
  return summaries.filter((summary) => summary !== null);
}

/** A damaged one is as good as none: the tail is written out anew from the log. */
function readSummary(disk: Disk, path: string, logger: Logger): Promise<SuffixSummary | null> {
  return readDerived(disk, `${path}.json`, asWritten<SuffixSummary>(), logger);
}

/** Appends lines to a file, some at a time. */
class Lines {
  readonly #file: DiskFile;
  readonly #hash = createHash('sha256');
  #waiting: Buffer[] = [];
  #bytes = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  async add(line: string): Promise<void> {
    const bytes = Buffer.from(line);
    this.#hash.update(bytes);
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= WRITE_BYTES) await this.#write();
  }

  async #write(): Promise<void> {
    if (this.#bytes > 0) await this.#file.append(Buffer.concat(this.#waiting));
    this.#waiting = [];
    this.#bytes = 0;
  }

  /** @returns SHA-256 of all lines, in hex */
  async finish(): Promise<string> {
    try {
      await this.#write();
      await this.#file.sync();
    } finally {
      await this.#file.close();
    }
    return this.#hash.digest('hex');
  }
}

/** Writes one tail. Nothing of an earlier one is replaced before `finish`. */
export class SuffixFile {
  readonly #disk: Disk;
  readonly #name: { readonly keyspace: string; readonly origin: string; readonly epoch: number };
  readonly #path: string;
  readonly #rows: Lines;
  readonly #verdicts: Lines | null;
  readonly sites = new Set<string>();
  readonly #cells: Record<CellVerdict, number> = { there: 0, superseded: 0, lost: 0, conflicting: 0 };
  #records = 0;
  #rowCount = 0;

  private constructor(disk: Disk, name: SuffixFile['name'], rows: DiskFile, verdicts: DiskFile | null) {
    this.#disk = disk;
    this.#name = name;
    this.#path = pathOf(name.keyspace, name.origin, name.epoch);
    this.#rows = new Lines(rows);
    this.#verdicts = verdicts === null ? null : new Lines(verdicts);
  }

  /** @param classified whether verdicts will be told */
  static async create(disk: Disk, name: SuffixFile['name'], classified: boolean): Promise<SuffixFile> {
    const path = pathOf(name.keyspace, name.origin, name.epoch);
    await disk.makeFolder(tailFolder(name.keyspace));
    const rows = await disk.create(`${path}.ndjson.tmp`);
    return new SuffixFile(disk, name, rows, classified ? await disk.create(`${path}.verdicts.ndjson.tmp`) : null);
  }

  get name(): { readonly keyspace: string; readonly origin: string; readonly epoch: number } {
    return this.#name;
  }

  addRecord(): void {
    this.#records++;
  }

  /** @param rows how many rows the line stands for */
  async addLine(line: string, rows = 1): Promise<void> {
    this.#rowCount += rows;
    await this.#rows.add(line);
  }

  async addVerdicts(place: object, verdicts: RowVerdicts): Promise<void> {
    for (const verdict of Object.values(verdicts)) this.#cells[verdict]++;
    await this.#verdicts?.add(`${JSON.stringify({ ...place, cells: verdicts })}\n`);
  }

  /** Puts the files in their place. A tail that was settled before, and has not grown since, stays as it was. */
  async finish(fate: SuffixFate, logger: Logger): Promise<SuffixSummary> {
    const sha256 = await this.#rows.finish();
    await this.#verdicts?.finish();
    const before = await readSummary(this.#disk, this.#path, logger);
    const isSame = before?.sha256 === sha256;
    const settled = isSame && before.fate !== 'exported' && fate === 'exported';
    if (settled) {
      for (const kind of ['ndjson', 'verdicts.ndjson']) await this.#disk.remove(`${this.#path}.${kind}.tmp`);
      return before;
    }
    const cells = this.#verdicts === null ? (isSame ? before.cells : null) : this.#cells;
    const summary: SuffixSummary = {
      ...this.#name,
      sites: [...new Set([...this.sites, ...(isSame ? before.sites : [])])].sort(),
      records: this.#records,
      rows: this.#rowCount,
      sha256,
      file: `${this.#path}.ndjson`,
      cells,
      fate,
    };
    await this.#disk.rename(`${this.#path}.ndjson.tmp`, `${this.#path}.ndjson`);
    if (this.#verdicts !== null) {
      await this.#disk.rename(`${this.#path}.verdicts.ndjson.tmp`, `${this.#path}.verdicts.ndjson`);
    }
    for (const folder of ['.', 'tails']) await this.#disk.syncFolder(folder);
    await writeState(this.#disk, `${this.#path}.json`, summary);
    if (fate === 'discarded') {
      for (const kind of ['ndjson', 'verdicts.ndjson']) await this.#disk.remove(`${this.#path}.${kind}`);
    }
    return summary;
  }
}

/** Cells by verdict, summed over tails. */
export function cellsOf(tails: readonly SuffixSummary[]): Record<CellVerdict, number> {
  const sum = { there: 0, superseded: 0, lost: 0, conflicting: 0 };
  for (const { cells } of tails) for (const verdict of CELL_VERDICTS) sum[verdict] += cells?.[verdict] ?? 0;
  return sum;
}
