/** Mistakes that the client's types notice. Compiled as a stranger's program, where a missing error is an error. */

import { connect, type Receipt, type RowOf, table } from '@tidemark/client';

const flights = table('travel.flights', {
  columns: { origin: 'string', date: 'timestamp', destination: 'string', line: 'int', delay: 'int', distance: 'int' },
  partitionKey: 'origin',
  sortKey: ['date', 'destination', 'line'],
});

export async function mistakes(): Promise<Receipt> {
  await using db = await connect(['http://127.0.0.1:7410']);
  const key = { origin: 'SAN', date: '2001-01-10T18:20Z', destination: 'LAX', line: 1 };
  // @ts-expect-error: a number where text belongs
  await db.put(flights, { ...key, origin: 7 });
  // @ts-expect-error: a column that the table does not have
  await db.put(flights, { ...key, gate: 'B4' });
  // @ts-expect-error: half a key
  await db.get(flights, { origin: 'SAN' });
  // @ts-expect-error: the sites are known by connecting to them
  new (db.constructor as typeof import('@tidemark/client').Database)();
  const row: RowOf<typeof flights> | null = await db.get(flights, key);
  const delay: number | null | undefined = row?.delay;
  return db.put(flights, { ...key, delay: (delay ?? 0) + 1 });
}

// @ts-expect-error: a key column that is not declared
table('travel.flights', { columns: { origin: 'string' }, partitionKey: 'destination' });
