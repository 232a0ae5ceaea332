/** What must hold once all is quiet: what was acked is there, what was refused is not, and every site reads the same. */

import { KEYS, KEYSPACE } from './client.ts';
import type { Copies } from './copies.ts';
import type { History, WriteEntry } from './history.ts';
import type { SimWorld } from './world.ts';

type At = { readonly epoch: number; readonly seq: number };

/** Where a write stands among those that count; null when it does not. */
function placeOf(copies: Copies, id: string): At | null {
  const counted = (copies.requests.get(id) ?? []).filter(({ epoch, partition, seq }) => {
    const cut = copies.effective(KEYSPACE, partition).get(epoch);
    return cut !== undefined && seq <= cut;
  });
  return counted.at(-1) ?? null;
}

function isBefore(one: At, other: At): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.seq < other.seq);
}

/** A session that asked for its own write sees it, or a later one. */
export function checkLocalReads(world: SimWorld, history: History, copies: Copies): void {
  for (const read of history.reads) {
    if (read.after === null) continue;
    const wanted = placeOf(copies, read.after.id);
    const seen = read.value === null ? null : placeOf(copies, read.value);
    if (wanted === null || (seen !== null && !isBefore(seen, wanted))) continue;
    world.fail('session', `${read.client} read ${read.value} from ${read.key} at ${read.site} after ${read.after.id}`);
  }
}

/** I19, I14 and the rows themselves. */
export async function checkKept(world: SimWorld, history: History, copies: Copies): Promise<boolean> {
  const newest = new Map<string, { readonly write: WriteEntry; readonly at: At }>();
  const kept: WriteEntry[] = [];
  for (const write of history.writes) {
    const at = placeOf(copies, write.id);
    if (at === null && write.outcome === 'acked')
      world.fail('I19', `${write.id} was acked (${write.token}) and is lost`);
    if (at !== null && write.outcome === 'failed') world.fail('refused', `${write.id} was refused and is there`);
    if (at === null) continue;
    kept.push(write);
    const known = newest.get(write.key);
    if (known === undefined || isBefore(known.at, at)) newest.set(write.key, { write, at });
  }
  checkOnce(world, history, copies);
  for (const site of world.dataNames)
    for (const key of KEYS) {
      const expected = newest.get(key)?.write.id ?? null;
      const rows = await rowsAt(world, site, key);
      const got = rows === null ? 'not to be had' : (rows[0]?.v ?? null);
      if (got !== expected) world.fail('I5', `${key} is ${got} at ${site}, the log says ${expected}`);
      const marks = new Set(rows?.map(({ n }) => n));
      for (const write of kept.filter((one) => one.key === key && !marks.has(one.mark)))
        world.fail('I5', `${key} at ${site} lacks the row ${write.mark} that ${write.id} wrote`);
    }
  return true;
}

/** One request, one record: an idempotency key used again finds the first. */
function checkOnce(world: SimWorld, history: History, copies: Copies): void {
  for (const { id } of history.writes) {
    const counted = (copies.requests.get(id) ?? []).filter(({ epoch, partition, seq }) => {
      const cut = copies.effective(KEYSPACE, partition).get(epoch);
      return cut !== undefined && seq <= cut;
    });
    if (counted.length <= 1) continue;
    const places = counted.map(({ epoch, seq }) => `${epoch}:${seq}`).join(' and ');
    world.fail('once', `${id} was written twice, at ${places}`);
  }
}

type Row = { readonly n: number; readonly v: string };

async function rowsAt(world: SimWorld, site: string, key: string): Promise<readonly Row[] | null> {
  const app = world.exchange.server(site)?.app;
  if (app === undefined) return null;
  const response = await app.inject({ method: 'GET', url: `/v1/${KEYSPACE}/t/rows/${key}` });
  if (response.statusCode !== 200) return null;
  return (JSON.parse(response.payload) as { readonly rows: readonly Row[] }).rows;
}
