/** `tidemark scan TABLE`: rows by condition, selection, grouping and order. */

import type { Database } from '@tidemark/client';
import { type ScanEnd, scanBlocks } from '@tidemark/client/ndjson';
import { splitTableName } from '@tidemark/client/table';
import type { Table } from '@tidemark/schema/table';
import { EXIT } from './exit-code.ts';
import { collected, command, oneOf, wholeNumber } from './invocation.ts';
import { noKeyspace, readKeyspace } from './keyspace-of.ts';
import { type Output, textTable } from './output.ts';
import { queryFromWords, type ScanWords } from './scan-words.ts';

const FORMATS = ['table', 'json', 'ndjson', 'csv'] as const;
/** Rows a table on the terminal looks at to find its widths. */
const TABLE_ROWS = 1_000;

type Flags = ScanWords & {
  readonly output?: (typeof FORMATS)[number];
  readonly read: 'local' | 'primary';
  readonly atLeast?: string;
};
type Json = Readonly<Record<string, unknown>>;

export const scan = command<Flags>(
  'scan <table>',
  'rows by condition, selection, grouping and order',
  async (invocation, [name]) => {
    const { flags, output } = invocation;
    await using db = await invocation.open();
    const place = splitTableName(name!);
    const query = JSON.stringify(queryFromWords(await knownTable(db, place), flags));
    const at = flags.site === undefined ? {} : { at: flags.site };
    const atLeast = flags.atLeast === undefined ? {} : { atLeast: flags.atLeast };
    const options = { ...at, ...atLeast, read: flags.read };
    using reply = await db.openScan(place, query, options);
    const blocks = scanBlocks(reply, `scan of ${name} at ${reply.url}`, db.idleMs);
    await print(blocks, flags.output ?? (flags.json === true ? 'json' : 'table'), output);
    return EXIT.done;
  },
)
  .option('--where <condition>', 'like delay>60, origin=SAN or origin in SAN,LAX (may be repeated)', collected)
  .option('--select <list>', 'like origin,avg(delay) as late,count(*) as n')
  .option('--group-by <columns>', 'columns with commas between')
  .option('--order-by <list>', 'like late desc,origin')
  .option('--limit <rows>', 'rows at most', wholeNumber(1))
  .option('-o, --output <form>', FORMATS.join(', '), oneOf(...FORMATS))
  .option(
    '--read <from>',
    'local: what a site has applied; primary: the newest committed',
    oneOf('local', 'primary'),
    'local',
  )
  .option('--at-least <token>', 'wait until the write of this token is in the answer');

/** Null for a table that the keyspace does not name: a replay may have made it, and only the site knows its columns. */
async function knownTable(db: Database, place: { keyspace: string; name: string }): Promise<Table | null> {
  const stored = await readKeyspace(db, place.keyspace);
  if (stored === null) throw noKeyspace(place.keyspace);
  return stored.keyspace.tables.find((table) => table.name === place.name) ?? null;
}

async function print(
  blocks: AsyncGenerator<Json[], ScanEnd>,
  form: (typeof FORMATS)[number],
  output: Output,
): Promise<void> {
  const printer = PRINTERS[form](output);
  for (;;) {
    const next = await blocks.next();
    if (next.done === true) {
      printer.end(next.value);
      return;
    }
    printer.rows(next.value);
  }
}

type Printer = { rows(block: readonly Json[]): void; end(end: ScanEnd): void };

const PRINTERS: Record<(typeof FORMATS)[number], (output: Output) => Printer> = {
  json(output) {
    let first = true;
    return {
      rows(block) {
        output.raw(block.map((row, i) => `${first && i === 0 ? '{"rows":[' : ','}${JSON.stringify(row)}`).join('\n'));
        first = false;
      },
      end(end) {
        output.raw(`${first ? '{"rows":[' : ''}],"end":${JSON.stringify(end)}}\n`);
      },
    };
  },
  ndjson: (output) => ({
    rows: (block) => output.raw(block.map((row) => `${JSON.stringify(row)}\n`).join('')),
    end: (end) => output.raw(`${JSON.stringify({ $end: end })}\n`),
  }),
  csv(output) {
    let columns: string[] | null = null;
    return {
      rows(block) {
        const header = columns === null;
        columns ??= Object.keys(block[0]!);
        const records = block.map((row) => csvRecord(columns!.map((column) => row[column])));
        output.raw((header ? csvRecord(columns) : '') + records.join(''));
      },
      end: () => undefined,
    };
  },
  table(output) {
    let held: Json[] = [];
    let columns: string[] | null = null;
    const flush = (): void => {
      if (held.length === 0) return;
      const isFirst = columns === null;
      columns ??= [...new Set(held.flatMap((row) => Object.keys(row)))];
      const lines = textTable(
        columns,
        held.map((row) => columns!.map((column) => row[column] ?? null)),
      );
      output.raw(`${isFirst ? lines : lines.split('\n').slice(2).join('\n')}\n`);
      held = [];
    };
    return {
      rows(block) {
        held = held.concat(block);
        if (held.length >= TABLE_ROWS) flush();
      },
      end(end) {
        flush();
        const more = end.cursor === null ? '' : '; there are more';
        output.note(`${end.rows} rows of ${end.scanned} in ${end.ms} ms${more}`);
      },
    };
  },
};

function csvRecord(cells: readonly unknown[]): string {
  return `${cells.map(csvCell).join(',')}\n`;
}

function csvCell(cell: unknown): string {
  if (cell === null || cell === undefined) return '';
  const text = typeof cell === 'string' ? cell : typeof cell === 'object' ? bytesText(cell) : String(cell);
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function bytesText(cell: object): string {
  return '$bytes' in cell ? String(cell.$bytes) : JSON.stringify(cell);
}
