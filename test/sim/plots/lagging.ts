/** Plots in which one site lags behind the primary, or hears nothing of a candidate, while the primary moves. */

import { integerBetween, type Random } from '@tidemark/platform/random';
import { pick } from '../draw.ts';
import type { SimFault } from '../faults/sim-fault.ts';
import type { Shape } from '../shape.ts';
import { castOf, nomination } from './plot.ts';

/** What was acked is not at one site when it, or a better one, is to take over; the primary is mostly gone by then. */
export function laggard(random: Random, atMs: number, shape: Shape): SimFault[] {
  const { primary, one: lags, other } = castOf(random, shape);
  const atOnceMs = atMs + integerBetween(random, 400, 2_500);
  const forMs = atOnceMs - atMs + integerBetween(random, 1_500, 4_000);
  const when = { atMs: atOnceMs - integerBetween(random, 0, 150), forMs: integerBetween(random, 1_500, 5_000) };
  const gone = pick<SimFault[]>(random, [
    [],
    [{ kind: 'kill', ...when, site: primary, power: random.fraction() < 0.5 }],
    [{ kind: 'isolate', ...when, site: primary, clientsToo: random.fraction() < 0.5 }],
  ]);
  const site = pick(random, [lags, lags, other]);
  return [
    { kind: 'cut', atMs, forMs, from: primary, to: lags, both: true },
    ...gone,
    { kind: 'nominate', atMs: atOnceMs, forMs: 1, site, cause: 'failover' },
  ];
}

/**
 * A candidate closes the term with the origin, while a site it does not reach goes on copying and would go on promising;
 * the origin's log is slow, or slow to answer.
 */
export function unreached(random: Random, atMs: number, shape: Shape): SimFault[] {
  const { primary, one, other } = castOf(random, shape);
  const forMs = integerBetween(random, 1_500, 3_500);
  const slow = {
    kind: 'slow-log',
    atMs,
    forMs,
    site: primary,
    of: 'log',
    ms: integerBetween(random, 20, 400),
  } as const;
  const trouble = pick<SimFault[]>(random, [
    [],
    [{ ...slow, landed: false }],
    [{ ...slow, landed: true }],
    [{ ...slow, landed: true }],
    [{ kind: 'appends', atMs, forMs, site: primary, rate: 0.2 + 0.3 * random.fraction() }],
  ]);
  return [
    { kind: 'cut', atMs, forMs, from: one, to: other, both: true },
    ...trouble,
    { kind: 'nominate', atMs: atMs + integerBetween(random, 100, 500), forMs: 1, site: one, cause: 'failover' },
  ];
}

/** A site that copies the new term lacks the end of the one before it, and a site that has that is gone. */
export function gap(random: Random, atMs: number, shape: Shape): SimFault[] {
  const { primary, one: lags, other: next } = castOf(random, shape);
  const cutMs = integerBetween(random, 4_000, 7_000);
  const kill = {
    kind: 'kill',
    site: primary,
    atMs: integerBetween(random, 0, 200),
    forMs: 3_000,
    power: false,
  } as const;
  return [
    { kind: 'cut', atMs, forMs: cutMs, from: primary, to: lags, both: true },
    nomination(random, atMs + integerBetween(random, 400, 1_500), next),
    { kind: 'when', atMs, forMs: cutMs, sees: 'begun', site: next, brings: kill },
  ];
}

/** The start of an epoch turns up where the end of the one before it is not yet. */
export function outOfTurn(random: Random, atMs: number, shape: Shape): SimFault[] {
  const { primary, one: lags } = castOf(random, shape);
  const early = {
    kind: 'early',
    site: lags,
    origin: primary,
    atMs: integerBetween(random, 50, 600),
    forMs: 1,
  } as const;
  const deadMs = atMs + integerBetween(random, 400, 1_500);
  return [
    { kind: 'cut', atMs, forMs: 5_000, from: primary, to: lags, both: true },
    { kind: 'kill', atMs: deadMs, forMs: 100, site: primary, power: false },
    { kind: 'when', atMs: deadMs, forMs: 5_000, sees: 'begun', site: primary, brings: early },
  ];
}
