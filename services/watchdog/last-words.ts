/**
 * What was last heard of each keyspace's primary: how far it had written, and how fast. From its heartbeats, for the
 * estimate of what would be lost without it.
 */

import type { LastHeard } from '@tidemark/control/loss';
import type { KeyspaceFacts } from './facts.ts';

/** The rate is taken over this long, ms: longer than a pause between two bursts. */
const RATE_MS = 10_000;

type Said = { readonly records: number; readonly atMs: number };
type Words = { readonly epoch: number; readonly heads: readonly number[]; readonly said: readonly Said[] };

export class LastWords {
  readonly #words = new Map<string, Words>();

  /** Takes in what the primary says now. @param atMs when its newest beat arrived, on this process's clock */
  hear({ keyspace, writer }: KeyspaceFacts, atMs: number): void {
    if (writer === null || writer.heads === null) return;
    const heads = writer.heads.map((text) => Number(text.split(':')[1]));
    const before = this.#words.get(keyspace);
    if (before !== undefined && before.epoch > writer.epoch) return;
    const earlier = before?.epoch === writer.epoch ? before.said : [];
    if (earlier.at(-1)?.atMs === atMs) return;
    const records = heads.reduce((sum, head) => sum + head + 1, 0);
    const said = [...earlier, { records, atMs }].filter((one) => atMs - one.atMs <= RATE_MS);
    this.#words.set(keyspace, { epoch: writer.epoch, heads, said });
  }

  /**
   * Null: nothing of that epoch was heard here.
   * @param unheardMsMax how long it may have gone on at most since it was heard, ms
   */
  of(keyspace: string, epoch: number, rowsPerRecord: number, nowMs: number, unheardMsMax: number): LastHeard | null {
    const words = this.#words.get(keyspace);
    const last = words?.said.at(-1);
    if (words === undefined || last === undefined || words.epoch !== epoch) return null;
    const first = words.said[0]!;
    const tookMs = last.atMs - first.atMs;
    const recordsPerSecond = tookMs === 0 ? 0 : ((last.records - first.records) * 1_000) / tookMs;
    return {
      heads: words.heads,
      rowsPerRecord,
      rowsPerSecond: recordsPerSecond * rowsPerRecord,
      unheardMs: Math.min(unheardMsMax, Math.max(0, nowMs - last.atMs)),
    };
  }
}
