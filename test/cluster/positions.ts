/** How far a site has come, as it says itself. */

import { setTimeout as sleep } from 'node:timers/promises';
import { getJson } from '@tidemark/cli/demo/site-facts';

const POLL_MS = 200;

/** By partition: the sequence number of the origin's last record that is applied. */
export type Heads = readonly number[];

/** @throws {Fault} `unavailable`: the site does not answer. */
export async function headsAt(url: string, keyspace: string, origin: string): Promise<Heads> {
  type Answer = { readonly positions: Readonly<Record<string, readonly string[]>> };
  const { positions } = await getJson<Answer>(`${url}/v1/internal/positions/${keyspace}`);
  return (positions[origin] ?? []).map((position) => Number(position.split(':')[1]));
}

/** Records that `there` has and `here` has not. */
export function recordsBehind(here: Heads, there: Heads): number {
  return there.reduce((sum, seq, partition) => sum + Math.max(0, seq - (here[partition] ?? -1)), 0);
}

/** Polls until `isTrue`. @returns false when `msMax` passed before */
export async function waitUntil(isTrue: () => Promise<boolean>, msMax: number): Promise<boolean> {
  const untilMs = performance.now() + msMax;
  while (performance.now() < untilMs) {
    if (await isTrue()) return true;
    await sleep(POLL_MS);
  }
  return false;
}
