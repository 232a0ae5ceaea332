import { ackOf } from '@tidemark/model/table';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyspaceFacts } from '../facts.ts';
import { steady, travel } from '../testing/fake-town.ts';
import { LastKnownProgress } from './last-known-progress.ts';
import { heardOf } from './primary-sight.ts';

/** @param rows by partition; two a record unless told */
function said(
  epoch: number,
  heads: number[],
  rows = heads.map((seq) => 2 * (seq + 1)),
  termMs = 1_000_000,
): KeyspaceFacts {
  const rowCount = rows.reduce((sum, one) => sum + one, 0);
  const texts = heads.map((seq) => `${epoch}:${seq}`);
  const writer = { epoch, heads: texts, rows, rowCount, termMs, committed: [], barrierMs: 0, pendingBytes: 0 };
  return { keyspace: 'travel', version: 1, state: 'running', writer, asOfMs: null, origins: [], copies: [] };
}

describe('last words of a primary', () => {
  it('are its newest heads with their rows, its rate over the last seconds, and how long ago that was', () => {
    const words = new LastKnownProgress();
    for (let i = 0; i <= 20; i++) words.hear(said(3, [i * 10 - 1, i * 10 - 1]), i * 500);
    expect(words.of('travel', 3, 12_000)).toEqual({
      heads: [199, 199],
      rows: [400, 400],
      rowsPerSecond: 80,
      silentMs: 2_000,
    });
  });

  it('of another epoch, or of nobody, are none; a beat that comes late from an earlier one is passed over', () => {
    const words = new LastKnownProgress();
    expect(words.of('travel', 3, 0)).toBeNull();
    words.hear(said(4, [7]), 1_000);
    words.hear(said(3, [99]), 2_000);
    expect([words.of('travel', 3, 3_000)?.heads, words.of('travel', 4, 3_000)?.heads]).toEqual([undefined, [7]]);
  });

  it('are of the fastest it was seen to write', () => {
    const words = new LastKnownProgress();
    for (let i = 0; i < 8; i++) words.hear(said(1, [i], [0]), i * 1_000);
    for (let i = 1; i <= 4; i++) words.hear(said(1, [7 + i * 30], [i * 600]), 7_000 + i * 500);
    expect(words.of('travel', 1, 9_000)!.rowsPerSecond).toBe(1_200);
  });

  it('of a term that has just begun are of how fast it wrote since', () => {
    const words = new LastKnownProgress();
    words.hear(said(1, [9], [30], 1_500), 0);
    expect(words.of('travel', 1, 100)!.rowsPerSecond).toBe(20);
  });

  it('where the board had no room for partitions are its rate alone', () => {
    const words = new LastKnownProgress();
    for (const atMs of [0, 2_000]) {
      const facts = said(1, [9], [atMs]);
      words.hear({ ...facts, writer: { ...facts.writer!, heads: null, rows: null } }, atMs);
    }
    expect(words.of('travel', 1, 2_000)).toEqual({ heads: [], rows: [], rowsPerSecond: 1_000, silentMs: 0 });
  });

  it('the same beat read again and again changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }), (repeats) => {
        const [once, often] = [new LastKnownProgress(), new LastKnownProgress()];
        for (const [i, times] of repeats.entries()) {
          once.hear(said(1, [i * 3]), i * 500);
          for (let n = 0; n <= times; n++) often.hear(said(1, [i * 3]), i * 500);
        }
        expect(often.of('travel', 1, 5_000)).toEqual(once.of('travel', 1, 5_000));
      }),
    );
  });
});

describe('what several sites heard', () => {
  const sync = steady(travel({ paris: 'data', tokyo: 'data', quito: 'data' }));
  const one = { heads: [5, 9], rows: [50, 90], rowsPerSecond: 10, silentMs: 4_000 };
  const other = { heads: [6, 8], rows: [60, 80], rowsPerSecond: 20, silentMs: 3_000 };

  it('is the most in each partition, at the fastest rate, since the last of them heard it', () => {
    expect(heardOf(sync, [one, null, other])).toEqual({ heads: [6, 9], rows: [60, 90], unheardRows: 60 });
    expect(heardOf(sync, [null])).toBeNull();
  });

  it('of a local keyspace a whole lease may be unheard, however soon somebody asks', () => {
    expect(heardOf({ ...sync, ack: ackOf(0) }, [one])?.unheardRows).toBe(160);
  });
});
