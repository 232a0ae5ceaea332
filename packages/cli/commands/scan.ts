/** `tidemark scan TABLE`: rows by condition, selection, grouping and order. */

import { once } from 'node:events';
import { type ScanEnd, scanBlocks } from '@tidemark/client/ndjson';
import { splitTableName } from '@tidemark/client/table';
import { EXIT } from '../exit-code.ts';
import { command, oneOf } from '../invocation.ts';
import { knownTable } from '../keyspace-of.ts';
import { arrowBytes } from '../output/arrow-scan.ts';
import { PRINTERS, type Printer, TEXT_FORMS } from '../output/scan-print.ts';
import { queryFromWords, resultNames, type ScanWords } from '../output/scan-words.ts';
import { addQueryFlags, addReadFlags, type ReadFlags, readOptionsOf } from '../read-flags.ts';

const FORMATS = [...TEXT_FORMS, 'arrow'] as const;

type Flags = ScanWords & ReadFlags & { readonly output?: (typeof FORMATS)[number] };
type Json = Readonly<Record<string, unknown>>;

/** Streams the result as a table, JSON, NDJSON, CSV or Arrow; an answer cut short is an error. */
export const scan = command<Flags>(
  'scan <table>',
  'rows by condition, selection, grouping and order',
  async (invocation, [name]) => {
    const { flags, output } = invocation;
    await using db = await invocation.open();
    const place = splitTableName(name!);
    const table = await knownTable(db, place);
    const body = queryFromWords(table, flags);
    const query = JSON.stringify(body);
    const options = readOptionsOf(flags);
    const form = flags.output ?? (flags.json === true ? 'json' : 'table');
    if (form === 'arrow') {
      await pass(arrowBytes(db, place, query, options));
      return EXIT.done;
    }
    using reply = await db.openScan(place, query, options);
    const blocks = scanBlocks(reply, `scan of ${name} at ${reply.url}`, db.idleMs);
    await print(blocks, PRINTERS[form](output, resultNames(table, body)));
    return EXIT.done;
  },
).option('-o, --output <form>', FORMATS.join(', '), oneOf(...FORMATS));
addQueryFlags(scan);
addReadFlags(scan);

/** Bytes as they come, no faster than they are taken. */
async function pass(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
}

async function print(blocks: AsyncGenerator<Json[], ScanEnd>, printer: Printer): Promise<void> {
  for (;;) {
    const next = await blocks.next();
    if (next.done === true) {
      printer.end(next.value);
      return;
    }
    printer.rows(next.value);
  }
}
