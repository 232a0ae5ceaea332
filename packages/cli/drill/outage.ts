/** What a client saw of an outage, by its own ledger and its own clock. Pure. */

import { parseToken } from '@tidemark/model/position';
import type { LedgerEntry } from '../load/ledger.ts';

/** An ack as the client had it: when, of whose term. */
export type Ack = { readonly atMs: number; readonly origin: string; readonly epoch: number };

/** How long writes were away, in ms, and who brought them back. */
export type Outage = {
  /** From the fault to the first ack by another term than the one it hit; null when none came. */
  readonly writesBackMs: number | null;
  /** Who gave that ack, in which epoch. */
  readonly to: string | null;
  readonly epoch: number | null;
  /** The longest time without any ack from the fault on, in ms; also when nobody took over. */
  readonly pauseMs: number;
};

/** The acks of a ledger, in the order in which they came. */
export function acksOf(entries: Iterable<LedgerEntry>): Ack[] {
  const acks = [...entries].map(({ token, ackedAtMs }) => {
    const { origin, positions } = parseToken(token);
    return { atMs: ackedAtMs, origin, epoch: Math.max(...[...positions.values()].map(({ epoch }) => epoch)) };
  });
  return acks.sort((a, b) => a.atMs - b.atMs);
}

/**
 * What became of writes after a fault.
 * @param faultAtMs wall clock of the client, as the acks' own
 * @param untilMs to where the longest pause is looked for
 */
export function outageOf(acks: readonly Ack[], faultAtMs: number, untilMs: number): Outage {
  const before = acks.findLast((ack) => ack.atMs <= faultAtMs);
  const epochBefore = before?.epoch ?? 0;
  const back = acks.find((ack) => ack.atMs > faultAtMs && ack.epoch > epochBefore);
  const moments = acks.map(({ atMs }) => atMs).filter((atMs) => atMs > faultAtMs && atMs < untilMs);
  const all = [faultAtMs, ...moments, untilMs];
  return {
    writesBackMs: back === undefined ? null : back.atMs - faultAtMs,
    to: back?.origin ?? null,
    epoch: back?.epoch ?? null,
    pauseMs: Math.max(...all.slice(1).map((atMs, i) => atMs - all[i]!)),
  };
}
