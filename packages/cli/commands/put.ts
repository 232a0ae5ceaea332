/** `tidemark put TABLE key… column=value…`: writes one row. */

import type { Database } from '@tidemark/client';
import { EXIT } from '../exit-code.ts';
import { collected, command, misused, oneOf } from '../invocation.ts';
import { readTable } from '../keyspace-of.ts';
import { type JsonRow, keyFromWords, rowFromWords } from '../output/row-words.ts';

type Flags = {
  readonly ack?: 'local' | 'sync';
  readonly unset?: readonly string[];
  readonly delete?: boolean;
  readonly idempotencyKey?: string;
};

/** Writes, unsets cells of, or deletes one row, and prints its token once it is acked. */
export const put = command<Flags>(
  'put <table> <words...>',
  'write one row: key parts, then column=value',
  async (invocation, [name, ...words]) => {
    const { flags, output } = invocation;
    await using db = await invocation.open();
    const { keyspace, table } = await readTable(db, name!);
    const row: JsonRow =
      flags.delete === true ? { ...keyFromWords(table, words), $delete: true } : rowFromWords(table, words);
    for (const column of flags.unset ?? []) {
      if (flags.delete === true) misused('--delete takes the whole row: leave --unset out');
      row[column] = null;
    }
    const receipt = await db.writeEncoded(
      {
        keyspace,
        table: table.name,
        contentType: 'application/json',
        body: JSON.stringify({ rows: [row] }),
        rowCount: 1,
      },
      writeOptions(flags),
    );
    const [refused] = receipt.errors;
    if (refused !== undefined) throw refused.fault;
    const { ack, token } = receipt;
    output.result({ row, ack, token }, `written (${ack}), token ${token}`);
    return EXIT.done;
  },
)
  .option('--ack <level>', 'wait for more than the keyspace asks: local, sync', oneOf('local', 'sync'))
  .option('--unset <column>', 'delete this cell (may be repeated)', collected)
  .option('--delete', 'delete the whole row')
  .option('--idempotency-key <key>', 'under the same key it counts once, however often it is sent');

function writeOptions({ ack, idempotencyKey }: Flags): NonNullable<Parameters<Database['writeEncoded']>[1]> {
  return { ...(ack === undefined ? {} : { ack }), ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
}
