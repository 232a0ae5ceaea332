/** `node --expose-gc memory.ts memtable|map KEYS`: what holding that many flights takes, all memory of the process. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Flights } from './flights.ts';
import { bodiesOf, OurTable } from './our-table.ts';
import type { Write } from './writes.ts';

const [what, keys] = [process.argv[2], Number(process.argv[3])];
const flights = await Flights.load(keys);
const inserts = (row: number): Write => ({ row, update: null });
const before = held();
const { size, answer } = what === 'map' ? inMap() : await inMemtable();
process.stdout.write(`${JSON.stringify({ bytes: size - before, answer })}\n`);

function held(): number {
  (globalThis as unknown as { gc: () => void }).gc();
  (globalThis as unknown as { gc: () => void }).gc();
  const { heapUsed, external } = process.memoryUsage();
  // `external` has the array buffers in it.
  return heapUsed + external;
}

async function inMemtable(): Promise<{ size: number; answer: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-memory-'));
  const table = await OurTable.open(folder, { memtableBytesMax: Number.MAX_SAFE_INTEGER });
  await table.apply(bodiesOf(flights, keys, inserts));
  const size = held();
  const answer = await table.answer({ select: [{ count: '*' }, { sum: 'delay' }] });
  await table.close();
  rmSync(folder, { recursive: true });
  return { size, answer };
}

/** What a store of a few lines would hold: an object a row, with the stamp that decides between writes. */
function inMap(): { size: number; answer: string } {
  const map = new Map<string, { delay: number; distance: number; ms: number; counter: number }>();
  for (let row = 0; row < keys; row++) {
    const key = `${flights.origin(row)}/${flights.date(row)}/${flights.destination(row)}/${flights.line(row)}`;
    // A key of one piece, not of the pieces it was joined from.
    const flat = Buffer.from(key, 'latin1').toString('latin1');
    const cells = { delay: flights.delay(row), distance: flights.distance(row), ms: 1e12 + row, counter: row % 65_536 };
    map.set(flat, cells);
  }
  const size = held();
  let delays = 0;
  for (const { delay } of map.values()) delays += delay;
  return { size, answer: `${map.size},${delays}` };
}
