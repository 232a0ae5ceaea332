/** `tidemark scan TABLE`: rows by condition, selection, grouping and order. */

import { once } from 'node:events';
import { type ScanEnd, scanBlocks } from '@tidemark/client/ndjson';
import { splitTableName } from '@tidemark/client/table';
import { arrowBytes } from './arrow-scan.ts';
import { EXIT } from './exit-code.ts';
import { collected, command, oneOf, wholeNumber } from './invocation.ts';
import { knownTable } from './keyspace-of.ts';
import type { Output } from './output.ts';
import { PRINTERS, TEXT_FORMS, type TextForm } from './scan-print.ts';
import { queryFromWords, type ScanWords } from './scan-words.ts';

const FORMATS = [...TEXT_FORMS, 'arrow'] as const;

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
    const form = flags.output ?? (flags.json === true ? 'json' : 'table');
    if (form === 'arrow') {
      await pass(arrowBytes(db, place, query, options));
      return EXIT.done;
    }
    using reply = await db.openScan(place, query, options);
    const blocks = scanBlocks(reply, `scan of ${name} at ${reply.url}`, db.idleMs);
    await print(blocks, form, output);
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

/** Bytes as they come, no faster than they are taken. */
async function pass(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
}

async function print(blocks: AsyncGenerator<Json[], ScanEnd>, form: TextForm, output: Output): Promise<void> {
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
