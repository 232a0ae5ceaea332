/** What must hold once all is quiet: what was acked is there, what was refused is not, and every site reads the same. */

import { KEYS, KEYSPACE, ROWS } from '../clients/client.ts';
import type { SimWorld } from '../world.ts';
import type { Copies } from './copies.ts';
import { type Exported, exportedAt } from './exported.ts';
import type { History, WriteEntry } from './history.ts';

type At = { readonly epoch: number; readonly seq: number };

/** Whether a write stands among those that count. */
export function isKept(copies: Copies, id: string): boolean {
  return placeOf(copies, id) !== null;
}

/** Where a write stands, among those that count or not; null when it does not. */
function anyPlaceOf(copies: Copies, id: string): At | null {
  return placeOf(copies, id) ?? copies.requests.get(id)?.at(-1) ?? null;
}

/** Where a write stands among those that count; null when it does not. */
function placeOf(copies: Copies, id: string): At | null {
  const counted = (copies.requests.get(id) ?? []).filter(({ epoch, partition, seq }) => {
    const epochEnd = copies.effective(KEYSPACE, partition).get(epoch);
    return epochEnd !== undefined && seq <= epochEnd;
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
    // What a read showed of a `local` keyspace may not count any more.
    const seen = read.value === null ? null : anyPlaceOf(copies, read.value);
    if (wanted === null || (seen !== null && !isBefore(seen, wanted))) continue;
    world.fail('session', `${read.client} read ${read.value} from ${read.key} at ${read.site} after ${read.after.id}`);
  }
}

/**
 * I19, I14 and the rows themselves.
 * @param k 0: what was acked may be exported instead, or have gone with the last disk that held it
 * @param mayLack whether an epoch was closed with an accepted loss: what was acked in it may be missing, and is counted elsewhere
 * @returns false: a tail may still be on its way into a file, or a site not be read again yet
 */
export async function checkKept(
  world: SimWorld,
  history: History,
  copies: Copies,
  k: number,
  mayLack: (epoch: number) => boolean,
  isLast: boolean,
): Promise<boolean> {
  const exported = k === 0 ? await exportedAt(world.sites()) : new Map<string, never>();
  const newest = new Map<string, { readonly write: WriteEntry; readonly at: At }>();
  const kept: WriteEntry[] = [];
  for (const write of history.writes) {
    const at = placeOf(copies, write.id);
    if (at === null && write.outcome === 'acked' && !(k > 0 && isAllIn(copies, write, mayLack))) {
      const where = k === 0 ? heldBeyond(copies, exported, write) : 'lost';
      if (where !== null && k === 0 && !isLast) return false;
      if (where !== null) world.fail('I19', `${write.id} was acked (${write.token}) and is ${where}`);
    }
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
      // A store that is built again is not read before it has what it had.
      if (rows === null && !isLast) return false;
      const got = rows === null ? 'not to be had' : (rows[0]?.v ?? null);
      if (got !== expected) world.fail('I5', `${key} is ${got} at ${site}, the log says ${expected}`);
      const marks = new Set(rows?.map(({ n }) => n));
      const deleted = new Map(kept.map((write) => [write.deletes, write.id]));
      for (const { mark, id } of kept.filter((one) => one.key === key)) {
        const by = deleted.get(mark);
        if (by === undefined && !marks.has(mark))
          world.fail('I5', `${key} at ${site} lacks the row ${mark} that ${id} wrote`);
        if (by !== undefined && marks.has(mark))
          world.fail('I8', `${key} at ${site} has the row ${mark} of ${id} again, which ${by} deleted`);
      }
    }
  return true;
}

/** Whether a write stands somewhere, and in such epochs only. */
function isAllIn(copies: Copies, { id }: WriteEntry, fits: (epoch: number) => boolean): boolean {
  const records = copies.requests.get(id) ?? [];
  return records.length > 0 && records.every(({ epoch }) => fits(epoch));
}

/** Null: every row of it was exported, or no disk holds it any more. Else where it is, in words. */
function heldBeyond(copies: Copies, exported: Exported, { id, deletes }: WriteEntry): string | null {
  const wanted = deletes === null ? ROWS : ROWS + 1;
  const records = copies.requests.get(id) ?? [];
  if (records.length === 0) return 'in no log';
  for (const { keyspace, epoch, partition, seq } of records) {
    const { holders } = copies.at(keyspace, epoch, partition, seq)!;
    const rows = exported.get(id)?.get(`${epoch}/${partition}/${seq}`) ?? 0;
    if (rows === wanted || (rows === 0 && holders.size === 0)) continue;
    return `beyond the epoch end at ${[...holders].join(', ')}, ${rows} of ${wanted} rows exported`;
  }
  return null;
}

/** One request, one record: an idempotency key used again finds the first. */
function checkOnce(world: SimWorld, history: History, copies: Copies): void {
  for (const { id } of history.writes) {
    const counted = (copies.requests.get(id) ?? []).filter(({ epoch, partition, seq }) => {
      const epochEnd = copies.effective(KEYSPACE, partition).get(epoch);
      return epochEnd !== undefined && seq <= epochEnd;
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
  const response = await app.inject({ method: 'GET', url: `/v1/${KEYSPACE}/t/rows/${key}?limit=1000` });
  if (response.statusCode !== 200) return null;
  return (JSON.parse(response.payload) as { readonly rows: readonly Row[] }).rows;
}
