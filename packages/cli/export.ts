/** `tidemark export TABLE FILE`: rows of a table as a Parquet file. */

import { splitTableName } from '@tidemark/client/table';
import { arrowBatches } from './arrow-scan.ts';
import { EXIT } from './exit-code.ts';
import { command } from './invocation.ts';
import { knownTable } from './keyspace-of.ts';
import { writeParquet } from './parquet-export.ts';
import { addQueryFlags, addReadFlags, type ReadFlags, readOptionsOf } from './read-flags.ts';
import { queryFromWords, type ScanWords } from './scan-words.ts';

type Flags = ScanWords & ReadFlags;

export const exportTable = command<Flags>(
  'export <table> <file>',
  'rows of a table as a Parquet file, with zstd',
  async (invocation, [name, path]) => {
    const { flags, output } = invocation;
    await using db = await invocation.open();
    const place = splitTableName(name!);
    const query = JSON.stringify(queryFromWords(await knownTable(db, place), flags));
    const batches = arrowBatches(db, place, query, readOptionsOf(flags));
    const { rows, bytes } = await writeParquet(path!, batches);
    output.result({ table: name, file: path, rows, bytes }, `${rows} rows of ${name} in ${path}, ${bytes} bytes`);
    return EXIT.done;
  },
);
addQueryFlags(exportTable);
addReadFlags(exportTable);
