/** `tidemark export TABLE FILE`: rows of a table as a file, of the form that its name says. */

import type { Database } from '@tidemark/client';
import { scanBlocks } from '@tidemark/client/ndjson';
import { splitTableName } from '@tidemark/client/table';
import { nearestHint } from '@tidemark/model/nearest';
import { EXIT } from '../exit-code.ts';
import { writeParquet } from '../export/parquet-export.ts';
import { writeBytes, writeText } from '../export/text-export.ts';
import { type CommonFlags, command, misused, oneOf } from '../invocation.ts';
import { knownTable } from '../keyspace-of.ts';
import { arrowBatches, arrowBytes, type Place } from '../output/arrow-scan.ts';
import { queryFromWords, resultNames, type ScanWords } from '../output/scan-words.ts';
import { addQueryFlags, addReadFlags, type ReadFlags, readOptionsOf } from '../read-flags.ts';

const FORMATS = ['parquet', 'csv', 'ndjson', 'arrow'] as const;
type Format = (typeof FORMATS)[number];
/** By the end of the file's name. */
const ENDINGS: Readonly<Record<string, Format>> = {
  parquet: 'parquet',
  csv: 'csv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  arrow: 'arrow',
  arrows: 'arrow',
};

type Flags = ScanWords & ReadFlags & CommonFlags & { readonly format?: Format };

/** Writes the rows of one scan; the file's ending says the format unless `--format` does. */
export const exportTable = command<Flags>(
  'export <table> <file>',
  'rows of a table as a file: Parquet with zstd, CSV, NDJSON or an Arrow stream',
  async (invocation, [name, path]) => {
    const { flags, output } = invocation;
    const format = flags.format ?? formatOf(path!);
    await using db = await invocation.open();
    const { rows, bytes } = await write(db, splitTableName(name!), path!, format, flags);
    const result = { table: name, file: path, format, ...(rows === null ? {} : { rows }), bytes };
    output.result(result, `${rows === null ? '' : `${rows} `}rows of ${name} in ${path}, ${bytes} bytes`);
    return EXIT.done;
  },
).option('--format <format>', `${FORMATS.join(', ')} (default: by the file's name)`, oneOf(...FORMATS));
addQueryFlags(exportTable);
addReadFlags(exportTable);

/** The form that a file's name asks for. */
export function formatOf(path: string): Format {
  const ending = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  const known = Object.keys(ENDINGS);
  if (Object.hasOwn(ENDINGS, ending)) return ENDINGS[ending]!;
  const got = ending === '' ? 'no ending' : `the ending .${ending}${nearestHint(ending, known)}`;
  return misused(`${path} has ${got}, expected one of .${known.join(' .')}, or --format`);
}

/** Rows are null where nobody counts them. */
async function write(
  db: Database,
  place: Place,
  path: string,
  format: Format,
  flags: Flags,
): Promise<{ readonly rows: number | null; readonly bytes: number }> {
  const table = await knownTable(db, place);
  const body = queryFromWords(table, flags);
  const query = JSON.stringify(body);
  const options = readOptionsOf(flags);
  if (format === 'parquet') return writeParquet(path, arrowBatches(db, place, query, options));
  if (format === 'arrow') {
    return { rows: null, bytes: await writeBytes(path, arrowBytes(db, place, query, options)) };
  }
  using reply = await db.openScan(place, query, options);
  const blocks = scanBlocks(reply, `scan at ${reply.url}`, db.idleMs);
  return writeText(path, format, blocks, resultNames(table, body));
}
