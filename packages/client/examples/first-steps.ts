/** Writes a row at the primary, waits until another site shows it, and asks which airports are late. */

import { connect, Timestamp, table } from '@tidemark/client';

const flights = table('travel.flights', {
  columns: { origin: 'string', date: 'timestamp', destination: 'string', line: 'int', delay: 'int', distance: 'int' },
  partitionKey: 'origin',
  sortKey: ['date', 'destination', 'line'],
});

const addresses = process.argv.slice(2);
await using db = await connect(addresses.length > 0 ? addresses : ['http://127.0.0.1:7410', 'http://127.0.0.1:7420']);

const date = Timestamp.from('2001-01-10T18:20Z');
const receipt = await db.put(flights, { origin: 'SAN', date, destination: 'LAX', line: 1, delay: 25 });
await db.visible(receipt, { at: 'tokyo' });
console.log(await db.get(flights, { origin: 'SAN', date, destination: 'LAX', line: 1 }, { at: 'tokyo' }));

const late = db.scan(flights, {
  where: [['delay', '>', 60]],
  groupBy: ['origin'],
  select: ['origin', { count: '*', as: 'n' }],
  orderBy: [['n', 'desc']],
  limit: 5,
});
for await (const airport of late) console.log(airport.origin, airport.n);
