/**
 * What was last heard of each keyspace's primary: how far it had written, and how fast. From its heartbeats, for the
 * estimate of what would be lost without it. Where they differ it is the most that was seen: who is asked to accept a
 * loss is not told less than it may be.
 */

import type { LastHeard } from '@tidemark/control/loss';
import type { KeyspaceFacts } from './facts.ts';

/** The fastest of this long counts, ms: load that began just before would be lost in an average. */
const RATE_MS = 10_000;
/** A rate is taken over at least so long: a burst, or a beat that came late, is none. */
const APART_MS_MIN = 2_000;

/** Since the reign began; `rows` is null where the process that writes does not apply. */
type Said = { readonly records: number; readonly rows: number | null; readonly atMs: number };
type Words = { readonly epoch: number; readonly heads: readonly number[]; readonly said: readonly Said[] };

export class LastWords {
  readonly #words = new Map<string, Words>();

  /** Takes in what a site says of a keyspace now. @param atMs when its newest beat arrived, on this process's clock */
  hear(site: string, { keyspace, writer, origins }: KeyspaceFacts, atMs: number): void {
    if (writer === null || writer.heads === null) return;
    const heads = writer.heads.map((text) => Number(text.split(':')[1]));
    const before = this.#words.get(keyspace);
    if (before !== undefined && before.epoch > writer.epoch) return;
    const earlier = before?.epoch === writer.epoch ? before.said : [];
    if (earlier.at(-1)?.atMs === atMs) return;
    const records = heads.reduce((sum, head) => sum + head + 1, 0);
    const rows = origins.find(({ origin }) => origin === site)?.rows ?? null;
    const said = [...earlier, { records, rows, atMs }].filter((one) => atMs - one.atMs <= RATE_MS);
    this.#words.set(keyspace, { epoch: writer.epoch, heads, said });
  }

  /**
   * Null: nothing of that epoch was heard here.
   * @param rowsPerRecord as far as is known here
   * @param unheardMsMax how long it may have gone on at most since it was heard, ms
   */
  of(keyspace: string, epoch: number, rowsPerRecord: number, nowMs: number, unheardMsMax: number): LastHeard | null {
    const words = this.#words.get(keyspace);
    const last = words?.said.at(-1);
    if (words === undefined || last === undefined || words.epoch !== epoch) return null;
    const perRecord = Math.max(rowsPerRecord, rowsPerRecordOf(words.said[0]!, last));
    return {
      heads: words.heads,
      rowsPerRecord: perRecord,
      rowsPerSecond: Math.max(0, ...ratesOf(words.said, perRecord)),
      unheardMs: Math.min(unheardMsMax, Math.max(0, nowMs - last.atMs)),
    };
  }
}

/** 0 where it is not known. */
function rowsPerRecordOf(from: Said, to: Said): number {
  const records = to.records - from.records;
  return from.rows === null || to.rows === null || records === 0 ? 0 : (to.rows - from.rows) / records;
}

/** Rows a second, between each beat and the first that came long enough after it. */
function ratesOf(said: readonly Said[], rowsPerRecord: number): number[] {
  return said.flatMap((from, i) => {
    const to = said.slice(i + 1).find(({ atMs }) => atMs - from.atMs >= APART_MS_MIN);
    if (to === undefined) return [];
    const applied = from.rows === null || to.rows === null ? 0 : to.rows - from.rows;
    const rows = Math.max(applied, (to.records - from.records) * rowsPerRecord);
    return [(rows * 1_000) / (to.atMs - from.atMs)];
  });
}
