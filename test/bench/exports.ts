/**
 * `npm run bench exports`: what pyarrow finds in our Arrow streams and Parquet files, type by type and value by value.
 * DuckDB's side of it is a test, `packages/cli/export/parquet-export.test.ts`; pyarrow is 160 MB, so it is asked by command.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeParquet } from '@tidemark/cli/export/parquet-export';
import { COLUMNS, rowOf } from '@tidemark/cli/testing/export-edges';
import { readArrow } from '@tidemark/columnar/arrow-read';
import { ARROW_END, ArrowWriter } from '@tidemark/columnar/arrow-write';
import { cacheFolder } from '@tidemark/dev/cache';
import type { Reaper } from '@tidemark/dev/reaper';
import type { Value } from '@tidemark/model/column-type';

const PYARROW = '21.0.0';
/** More than one row group, and the last batch is not full. */
const ROWS = 120_007;
const BATCH_ROWS = 1_024;
/** Rows come again after so many: a multiple of each column's count of edges. */
const PERIOD = 84;

/** @throws {Error} a type or a value differs, or pyarrow cannot be installed. */
export async function checkExports(reaper: Reaper): Promise<object> {
  const folder = await reaper.scratchFolder('exports');
  const stream = streamOf(ROWS);
  await writeFile(join(folder, 'edges.arrows'), stream);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield stream;
  }
  const { bytes } = await writeParquet(join(folder, 'edges.parquet'), readArrow(chunks(), 'edges.arrows'));
  await writeFile(join(folder, 'edges.json'), JSON.stringify(expected()));
  const python = await pythonWithPyarrow();
  const script = fileURLToPath(new URL('check-exports.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python, [script, folder], { encoding: 'utf8' });
  process.stdout.write(stdout);
  if (status !== 0) throw new Error(`check-exports.py ended with ${status}: ${stderr}`);
  return { bench: 'exports', pyarrow: PYARROW, rows: ROWS, arrowBytes: stream.length, parquetBytes: bytes };
}

function streamOf(rows: number): Buffer {
  const writer = new ArrowWriter(COLUMNS);
  const parts = [writer.head];
  for (let from = 0; from < rows; from += BATCH_ROWS) {
    const count = Math.min(BATCH_ROWS, rows - from);
    parts.push(writer.batch(Array.from({ length: count }, (_, i) => rowOf(from + i))));
  }
  return Buffer.concat([...parts, ARROW_END]);
}

/** Per column its values in the order of the rows, as `check-exports.py` writes them, until they come again. */
function expected(): object {
  const columns = COLUMNS.map(({ name }) => {
    const values: (string | null)[] = [];
    for (let row = 0; row < PERIOD; row++) values.push(text(name, rowOf(row)[name]!));
    return [name, values] as const;
  });
  return { rows: ROWS, columns: Object.fromEntries(columns) };
}

function text(column: string, value: Value | null): string | null {
  if (value === null) return null;
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('hex');
  if (typeof value === 'object') return Buffer.from(value).toString('hex');
  if (column !== 'share') return String(typeof value === 'boolean' ? Number(value) : value);
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value as number);
  return bytes.toString('hex');
}

/** A Python of our own, so that nothing of the machine's is changed. */
async function pythonWithPyarrow(): Promise<string> {
  const home = join(cacheFolder(), `pyarrow-${PYARROW}`);
  const python = join(home, 'bin', 'python');
  if (existsSync(join(home, 'installed'))) return python;
  process.stderr.write(`installing pyarrow ${PYARROW} (160 MB) into ${home} …\n`);
  await mkdir(home, { recursive: true });
  run('python3', ['-m', 'venv', home]);
  run(python, ['-m', 'pip', 'install', '--quiet', '--no-input', '--only-binary', ':all:', `pyarrow==${PYARROW}`]);
  await writeFile(join(home, 'installed'), '');
  return python;
}

function run(program: string, words: readonly string[]): void {
  const { status, error } = spawnSync(program, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} ended with ${status}`, { cause: error });
}
