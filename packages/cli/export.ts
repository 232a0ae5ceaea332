/** `tidemark export TABLE FILE`: rows of a table as a Parquet file. */

import { splitTableName } from '@tidemark/client/table';
import { arrowBatches } from './arrow-scan.ts';
import { EXIT } from './exit-code.ts';
import { collected, command, oneOf, wholeNumber } from './invocation.ts';
import { knownTable } from './keyspace-of.ts';
import { writeParquet } from './parquet-export.ts';
import { queryFromWords, type ScanWords } from './scan-words.ts';

type Flags = ScanWords & { readonly read: 'local' | 'primary'; readonly atLeast?: string };

export const exportTable = command<Flags>(
  'export <table> <file>',
  'rows of a table as a Parquet file, with zstd',
  async (invocation, [name, path]) => {
    const { flags, output } = invocation;
    await using db = await invocation.open();
    const place = splitTableName(name!);
    const query = JSON.stringify(queryFromWords(await knownTable(db, place), flags));
    const at = flags.site === undefined ? {} : { at: flags.site };
    const atLeast = flags.atLeast === undefined ? {} : { atLeast: flags.atLeast };
    const batches = arrowBatches(db, place, query, { ...at, ...atLeast, read: flags.read });
    const { rows, bytes } = await writeParquet(path!, batches);
    output.result({ table: name, file: path, rows, bytes }, `${rows} rows of ${name} in ${path}, ${bytes} bytes`);
    return EXIT.done;
  },
)
  .option('--where <condition>', 'like delay>60, origin=SAN or origin in SAN,LAX (may be repeated)', collected)
  .option('--select <list>', 'like origin,avg(delay) as late,count(*) as n')
  .option('--group-by <columns>', 'columns with commas between')
  .option('--order-by <list>', 'like late desc,origin')
  .option('--limit <rows>', 'rows at most', wholeNumber(1))
  .option(
    '--read <from>',
    'local: what a site has applied; primary: the newest committed',
    oneOf('local', 'primary'),
    'local',
  )
  .option('--at-least <token>', 'wait until the write of this token is in the file');
