/** `tidemark load TABLE FILE|-`: writes a file's rows in batches, with a ledger of what was acked. */

import { keyColumns } from '@tidemark/model/table';
import { EXIT, type ExitCode, exitCodeOf } from '../exit-code.ts';
import { command, misused, oneOf, wholeNumber } from '../invocation.ts';
import { columnTypes, type NamedTable, readTable } from '../keyspace-of.ts';
import { type LoadOptions, type LoadResult, loadRows } from '../load/load-rows.ts';
import { ParquetFile, parquetSource } from '../load/parquet.ts';
import type { RowSource } from '../load/row-source.ts';
import type { LoadProgress } from '../load/send-batches.ts';
import { csvSource, nameOfFile, ndjsonSource, textOf } from '../load/text-lines.ts';

const FORMATS = ['csv', 'ndjson', 'parquet'] as const;
type Format = (typeof FORMATS)[number];

type Flags = {
  readonly format?: Format;
  readonly batchRows?: number;
  readonly inFlight?: number;
  readonly rate?: number;
  readonly limit?: number;
  readonly ledger?: string;
  readonly resume?: boolean;
  readonly idempotencyPrefix?: string;
  readonly ack?: 'local' | 'sync';
  readonly wire?: 'ndjson' | 'columns';
};

/** Sends batches with idempotency keys; `--resume` goes on after the batches that the ledger has. */
export const load = command<Flags>(
  'load <table> <file>',
  "write a file's rows; - is standard input",
  async (invocation, [name, path]) => {
    const { flags, output, signal } = invocation;
    if (flags.resume === true && flags.ledger === undefined)
      misused('--resume needs --ledger FILE: it says what is there');
    await using db = await invocation.open();
    const table = await readTable(db, name!);
    const source = await sourceOf(path!, flags.format ?? formatOf(path!), table, flags.ledger !== undefined);
    const result = await loadRows({
      db,
      keyspace: table.keyspace,
      table: table.name,
      source,
      key: keyColumns(table.table),
      signal,
      onProgress: (progress) =>
        output.progress(progressText(progress), flags.limit ? progress.accepted / flags.limit : null),
      ...(flags.wire === 'columns' ? { wire: { kind: 'columns', types: columnTypes(table.table) } } : {}),
      ...optionsOf(flags),
    });
    // Otherwise the process waits for a row that nobody wants any more.
    if (path === '-') process.stdin.destroy();
    output.result(summary(result), inWords(result));
    for (const { row, message } of result.errors) output.note(`row ${row}: ${message}`);
    if (result.stoppedBy !== null) output.note(howToGoOn(result, flags));
    return exitCode(result);
  },
)
  .option('--format <format>', `${FORMATS.join(', ')} (default: by the file's name)`, oneOf(...FORMATS))
  .option('--batch-rows <rows>', 'rows a batch (default: 1000)', wholeNumber(1))
  .option(
    '--in-flight <batches>',
    'batches on their way at once (default: 4); rows of one key keep the order of the file',
    wholeNumber(1),
  )
  .option('--rate <rows>', 'rows a second at most', wholeNumber(1))
  .option('--limit <rows>', 'rows of the file in all', wholeNumber(1))
  .option('--wire <form>', 'how batches travel: ndjson (default) or columns', oneOf('ndjson', 'columns'))
  .option('--ledger <file>', 'a line for each acked batch, on the disk before it counts')
  .option('--resume', 'go on where the ledger ends')
  .option('--idempotency-prefix <text>', 'batch n goes under <text>-n')
  .option('--ack <level>', 'wait for more than the keyspace asks: local, sync', oneOf('local', 'sync'));

/** Flags that are options of a load by the same meaning; those not given are left out. */
function optionsOf(flags: Flags): Partial<LoadOptions> {
  const { ledger: ledgerPath, batchRows, inFlight, rate, limit, resume, idempotencyPrefix, ack } = flags;
  const all = { ledgerPath, batchRows, inFlight, rate, limit, resume, idempotencyPrefix, ack };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function formatOf(path: string): Format {
  const ending = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase();
  if (ending === 'jsonl') return 'ndjson';
  return (
    FORMATS.find((format) => format === ending) ?? misused(`--format is needed for ${path}: ${FORMATS.join(', ')}`)
  );
}

async function sourceOf(path: string, format: Format, { table }: NamedTable, toLedger: boolean): Promise<RowSource> {
  if (format === 'parquet' && path === '-') misused('a Parquet file cannot be read from standard input: name the file');
  const name = await nameOfFile(path, toLedger);
  if (format === 'parquet') return parquetSource(name, await ParquetFile.open(path), columnTypes(table));
  const text = (): AsyncIterable<string> => textOf(path);
  return format === 'ndjson' ? ndjsonSource(name, text) : csvSource(name, text, columnTypes(table));
}

function progressText({ accepted, rejected, elapsedMs }: LoadProgress): string {
  const refused = rejected === 0 ? '' : `, ${count(rejected)} rejected`;
  return `${count(accepted)} rows acked${refused}, ${count(Math.round((accepted / Math.max(1, elapsedMs)) * 1000))} rows/s`;
}

/** The result's JSON: what `stoppedBy` was is in the exit code and on standard error. */
function summary({ stoppedBy, errors, ...result }: LoadResult): object {
  return { ...result, errors: errors.map(({ row, message }) => ({ row, message })), complete: stoppedBy === null };
}

function inWords(result: LoadResult): string {
  const parts = [`${count(result.accepted)} rows accepted`, `${count(result.rejected)} rejected`];
  if (result.unknown > 0) parts.push(`${count(result.unknown)} unknown`);
  if (result.notStored > 0) parts.push(`${count(result.notStored)} not stored`);
  if (result.resumed > 0) parts.push(`${count(result.resumed)} acked before`);
  const acks = result.p50 === null ? '' : `; ack p50 ${result.p50} ms, p99 ${result.p99} ms`;
  return `${parts.join(', ')} in ${(result.durationMs / 1000).toFixed(1)} s (${count(result.rowsPerSecond)} rows/s${acks})`;
}

function howToGoOn(result: LoadResult, flags: Flags): string {
  const why = result.stoppedBy === 'signal' ? 'stopped by a signal' : `stopped: ${result.stoppedBy?.message}`;
  return flags.ledger === undefined
    ? `${why}. Without --ledger nothing says where to go on; the same file under --idempotency-prefix ${result.idempotencyPrefix} counts no row twice for ten minutes`
    : `${why}. To go on: the same command with --resume`;
}

function exitCode(result: LoadResult): ExitCode {
  if (result.stoppedBy === 'signal') return EXIT.failed;
  if (result.stoppedBy !== null) return exitCodeOf(result.stoppedBy);
  return result.rejected > 0 ? EXIT.failed : EXIT.done;
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}
