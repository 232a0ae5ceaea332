import type { Lag } from '@tidemark/control/lag';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyspaceFacts } from './facts.ts';
import { LastWords } from './last-words.ts';

function said(epoch: number, ...heads: number[]): KeyspaceFacts {
  const writer = {
    epoch,
    heads: heads.map((seq) => `${epoch}:${seq}`),
    rows: heads.map(() => 0),
    committed: [],
    barrierMs: 0,
    pendingBytes: 0,
  };
  return { keyspace: 'travel', version: 1, state: 'running', writer, asOfMs: null, origins: [], copies: [] };
}

describe('last words of a primary', () => {
  it('are its newest heads, its rate over the last seconds, and how long ago that was', () => {
    const words = new LastWords();
    for (let i = 0; i <= 20; i++) words.hear('paris', said(3, i * 10, i * 10 - 1), i * 500);
    expect(words.of('travel', 3, 50, 12_000, 60_000)).toEqual({
      heads: [200, 199],
      rowsPerRecord: 50,
      rowsPerSecond: 40 * 50,
      unheardMs: 2_000,
    });
    expect(words.of('travel', 3, 50, 900_000, 16_000)!.unheardMs).toBe(16_000);
  });

  it('of another epoch, or of nobody, are none; a beat that comes late from an earlier one is passed over', () => {
    const words = new LastWords();
    expect(words.of('travel', 3, 1, 0, 1)).toBeNull();
    words.hear('paris', said(4, 7), 1_000);
    words.hear('paris', said(3, 99), 2_000);
    expect([words.of('travel', 3, 1, 3_000, 9)?.heads, words.of('travel', 4, 1, 3_000, 9)?.heads]).toEqual([
      undefined,
      [7],
    ]);
  });

  it('are of the fastest it was seen to write, in rows where the primary says how many it applied', () => {
    const applied = (seq: number, rows: number): KeyspaceFacts => {
      const lag: Lag = { state: 'unknown', lagMs: null };
      const counted = { applied: null, duplicate: 0, ignored: 0, alarmed: 0, stopped: [], records: 0, lag };
      const others = { ...counted, origin: 'tokyo', rows: 1_000_000 + seq };
      return { ...said(1, seq), origins: [others, { ...counted, origin: 'paris', rows }] };
    };
    const words = new LastWords();
    // A record a second while it is idle, then 120 of 20 rows in two seconds.
    for (let i = 0; i < 8; i++) words.hear('paris', applied(i, 0), i * 1_000);
    for (let i = 1; i <= 4; i++) words.hear('paris', applied(7 + i * 30, i * 600), 7_000 + i * 500);
    const { rowsPerSecond, rowsPerRecord } = words.of('travel', 1, 2, 9_000, 60_000)!;
    expect(rowsPerRecord).toBeCloseTo(2_400 / 127);
    expect(rowsPerSecond).toBe(1_200);
  });

  it('the same beat read again and again changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }), (repeats) => {
        const [once, often] = [new LastWords(), new LastWords()];
        for (const [i, times] of repeats.entries()) {
          once.hear('paris', said(1, i * 3), i * 500);
          for (let n = 0; n <= times; n++) often.hear('paris', said(1, i * 3), i * 500);
        }
        expect(often.of('travel', 1, 2, 5_000, 9_000)).toEqual(once.of('travel', 1, 2, 5_000, 9_000));
      }),
    );
  });
});
