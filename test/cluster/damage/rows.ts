/** The rows that a site is damaged under, whose every cell follows from their number, and what a site answers for them. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { equalDigests } from '@tidemark/cli/demo/site-facts';
import { type Stage, TABLE } from '@tidemark/cli/drill/stage';
import { connect } from '@tidemark/client';
import { table } from '@tidemark/client/table';
import type { DevSite } from '@tidemark/dev/sites';

const BATCH_ROWS = 1_000;
const ANSWER_MS_MAX = 3_000;
const POLL_MS = 250;
const TROUBLES = 12;

/** `itself`: it was level again without anybody; `command`: after the one it names; `told`: it stays away, and says why. */
export const ENDS = ['itself', 'command', 'told', 'WRONG', 'SILENT'] as const;
export type End = (typeof ENDS)[number];

const FLIGHTS = table('travel.flights', {
  columns: { origin: 'string', date: 'string', destination: 'string', line: 'int', delay: 'int', distance: 'int' },
  partitionKey: 'origin',
  sortKey: ['date', 'destination', 'line'],
});

export const DATE = '2001-01-10T18:20:00.000Z';
export const originOf = (i: number): string => `A${i % 7}`;
export const delayOf = (i: number): number => (i * 7_919) % 1_000;

function rowOf(i: number) {
  return { origin: originOf(i), date: DATE, destination: 'X', line: i, delay: delayOf(i), distance: i };
}

/** Resolves once all of them are acked. */
export async function write(stage: Stage, from: number, to: number): Promise<void> {
  await using db = await connect(stage.urls, { timeoutMs: 60_000 });
  for (let i = from; i < to; i += BATCH_ROWS) {
    const rows = Array.from({ length: Math.min(BATCH_ROWS, to - i) }, (_, n) => rowOf(i + n));
    await db.putMany(FLIGHTS, rows);
  }
}

/** Of some rows, those that a site answers otherwise than they are, in words. What it refuses to answer is not wrong. */
export async function wrongRows(site: DevSite, keyspace: string, rows: readonly number[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const i of rows) {
    const key = [originOf(i), DATE, 'X', String(i)].map(encodeURIComponent).join('/');
    const url = `${site.url}/v1/${keyspace}/${TABLE}/rows/${key}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) }).catch(() => null);
    if (answer === null || answer.status >= 500) continue;
    const text = await answer.text();
    const delay = answer.ok ? (JSON.parse(text) as { delay?: unknown }).delay : `status ${answer.status}`;
    if (delay !== delayOf(i)) wrong.push(`row ${i}: ${delay}, expected ${delayOf(i)}`);
  }
  return wrong;
}

/** How many rows all sites hold, once they hold the same, and at least `rows`; null: not within `msMax`. */
export async function rowsWhenLevel({ urls, keyspace }: Stage, rows: number, msMax: number): Promise<number | null> {
  // A site that finds damage while it is compared refuses, and builds what is damaged again.
  for (const untilMs = performance.now() + msMax; performance.now() < untilMs; await sleep(POLL_MS)) {
    const found = await equalDigests(urls, keyspace, TABLE, rows).catch(() => null);
    if (found !== null) return found.rows;
  }
  return null;
}

/** What a site complained of last. */
export async function lastTroubles(site: DevSite): Promise<string> {
  const text = await readFile(join(site.folder, 'site.log'), 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line.includes('"level":') && !line.includes('"level":30'));
  return lines
    .slice(-TROUBLES)
    .map((line) => `  ${site.name}: ${line.slice(0, 500)}`)
    .join('\n');
}

/** Files of one kind have one name, without numbers. */
export const kindOf = (path: string): string =>
  path
    .replace(/\d+-\w+(?=\.col)/, 'column')
    .replace(/(?<=^board\/.*)\.[0-9a-f]{32}(?=\.)/, '.#')
    .replace(/\d+/g, '#')
    .replace(/^.*\//, '');

/** A line for each kind of file. */
export function printTable(found: ReadonlyMap<string, ReadonlyMap<End, number>>): void {
  console.log(`| file | ${ENDS.join(' | ')} |\n|---|${ENDS.map(() => '---|').join('')}`);
  for (const [kind, counts] of [...found].sort()) {
    console.log(`| ${kind} | ${ENDS.map((end) => counts.get(end) ?? 0).join(' | ')} |`);
  }
}
