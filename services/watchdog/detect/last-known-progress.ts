/**
 * What was last heard of each keyspace's primary: how far it had written, and how fast. From its heartbeats, for the
 * count of what would be lost without it. Where they differ it is the most that was seen: who is asked to accept a
 * loss is not told less than it may be.
 */

import type { Mark } from '@tidemark/control/consensus/loss-rule';
import type { LastHeard } from '@tidemark/peer/shapes';
import type { KeyspaceFacts } from '../facts.ts';

/** The fastest of this long counts, ms: load that began just before would be lost in an average. */
const RATE_MS = 10_000;
/** A rate is taken over at least so long: a burst, or a beat that came late, is none. */
const APART_MS_MIN = 2_000;
/** And since a term began over at least so long. */
const YOUNG_MS_MIN = 500;

/** Rows since the term began. */
type Said = { readonly rows: number; readonly termMs: number; readonly atMs: number };
type Words = Mark & { readonly epoch: number; readonly said: readonly Said[] };

/** The last known progress of every keyspace; of an older epoch nothing is kept. */
export class LastKnownProgress {
  readonly #words = new Map<string, Words>();

  /** Takes in what a site says of a keyspace now. @param atMs when its newest beat arrived, on this process's clock */
  hear({ keyspace, writer }: KeyspaceFacts, atMs: number): void {
    if (writer === null) return;
    const before = this.#words.get(keyspace);
    if (before !== undefined && before.epoch > writer.epoch) return;
    const earlier = before?.epoch === writer.epoch ? before.said : [];
    if (earlier.at(-1)?.atMs === atMs) return;
    // Where there was no room on the heartbeat store for each partition, the rows of all are told.
    const heads = writer.rows === null ? [] : (writer.heads ?? []).map((text) => Number(text.split(':')[1]));
    const said = [...earlier, { rows: writer.rowCount, termMs: writer.termMs, atMs }].filter(
      (one) => atMs - one.atMs <= RATE_MS,
    );
    this.#words.set(keyspace, { epoch: writer.epoch, heads, rows: heads.length === 0 ? [] : writer.rows!, said });
  }

  /** Null: nothing of that epoch was heard here. */
  of(keyspace: string, epoch: number, nowMs: number): LastHeard | null {
    const words = this.#words.get(keyspace);
    const last = words?.said.at(-1);
    if (words === undefined || last === undefined || words.epoch !== epoch) return null;
    const { heads, rows, said } = words;
    return { heads, rows, rowsPerSecond: Math.max(0, ...ratesOf(said)), silentMs: Math.max(0, nowMs - last.atMs) };
  }
}

/** Rows a second, between each beat and the first that came long enough after it, and since the term began. */
function ratesOf(said: readonly Said[]): number[] {
  const between = said.flatMap((from, i) => {
    const to = said.slice(i + 1).find(({ atMs }) => atMs - from.atMs >= APART_MS_MIN);
    return to === undefined ? [] : [((to.rows - from.rows) * 1_000) / (to.atMs - from.atMs)];
  });
  // Of a term that has just begun there are no two beats far enough apart.
  return [...between, ...said.map(({ rows, termMs }) => (rows * 1_000) / Math.max(YOUNG_MS_MIN, termMs))];
}
