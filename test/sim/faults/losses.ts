/** Faults after which something is gone for good, never more of it than the ack level promises to survive. */

import { integerBetween, type Random } from '@tidemark/platform/random';
import { pick } from '../draw.ts';
import { type Shape, sitesOf } from '../shape.ts';
import type { SimFault } from './sim-fault.ts';

const WIPED_RATE = 0.2;

/** The faults given, and in some runs one more: a site whose disks are all replaced by empty ones. */
export function withLosses(random: Random, shape: Shape, faults: readonly SimFault[], durationMs: number): SimFault[] {
  const { data, witnesses, k } = shape;
  if (k === 0) return [...faults, ...(random.fraction() < 0.7 ? leftBehind(random, shape, durationMs) : [])];
  if (random.fraction() >= WIPED_RATE) return [...faults];
  const sites = random.fraction() < 0.9 ? data : witnesses;
  const site = sites[integerBetween(random, 0, sites.length - 1)] ?? data[0]!;
  const atMs = integerBetween(random, 500, durationMs - 2_000);
  const wipe = { kind: 'wipe', site, atMs, forMs: integerBetween(random, 100, 4_000) } as const;
  // The promise is to survive the loss of k sites: this is one of them.
  const losing = new Set<string>(data.includes(site) ? [site] : []);
  const borne = faults.filter((fault) => {
    if (fault.kind !== 'lost-end') return true;
    if (losing.size < k) losing.add(fault.site);
    return losing.has(fault.site);
  });
  return [
    ...borne,
    ...(random.fraction() < 0.3 ? forgotten(random, shape, wipe) : [wipe, ...followers(random, data, atMs)]),
  ];
}

/**
 * The wiped site was one of a majority that decided something; the others of it are out of reach when it is back, and
 * those who were not there try to decide with it.
 */
function forgotten(
  random: Random,
  shape: Shape,
  { site: wiped, atMs }: SimFault & { readonly site: string },
): SimFault[] {
  const others = sitesOf(shape).filter((name) => name !== wiped);
  const absent = others[integerBetween(random, 0, others.length - 1)]!;
  const present = others.filter((name) => name !== absent);
  const decidedMs = integerBetween(random, 800, 2_500);
  const goneMs = atMs + decidedMs;
  const nominee = [wiped, ...present].find((name) => shape.data.includes(name))!;
  const later = { atMs: goneMs + integerBetween(random, 300, 2_000), forMs: 1, site: absent } as const;
  return [
    { kind: 'isolate', site: absent, atMs, forMs: decidedMs, clientsToo: false },
    { kind: 'nominate', site: nominee, atMs: atMs + 100, forMs: 1, cause: 'failover' },
    { kind: 'wipe', site: wiped, atMs: goneMs, forMs: integerBetween(random, 50, 400) },
    ...present.map((site): SimFault => ({ kind: 'isolate', site, atMs: goneMs, forMs: 4_000, clientsToo: false })),
    { kind: 'nominate', ...later, cause: 'failover' },
  ];
}

/** The primary of a `local` keyspace is out of reach or gone, and somebody would rather lose its last rows than wait. */
function leftBehind(random: Random, { data }: Shape, durationMs: number): SimFault[] {
  const site = data[0]!;
  const when = {
    atMs: integerBetween(random, 1_000, durationMs - 3_000),
    forMs: integerBetween(random, 2_000, 45_000),
  };
  const gone = pick<SimFault>(random, [
    { kind: 'isolate', ...when, site, clientsToo: false },
    { kind: 'isolate', ...when, site, clientsToo: false },
    { kind: 'isolate', ...when, site, clientsToo: true },
    { kind: 'kill', ...when, site, power: false },
    { kind: 'kill', ...when, site, power: true },
    { kind: 'pause', ...when, site },
    { kind: 'wipe', ...when, site },
    { kind: 'lost-end', ...when, site, salt: integerBetween(random, 0, 1_000_000) },
  ]);
  const askedMs = when.atMs + integerBetween(random, 200, 5_000);
  const loss = random.fraction() < 0.5 ? 'consistent' : 'received';
  const to = pick(random, data.slice(1));
  // Drawn from what was drawn, so that what other seeds do stays as it was.
  const rowsMax = askedMs % 3 === 0 ? askedMs % 90 : 2_000_000_000;
  const wish: SimFault = { kind: 'nominate', site: to, cause: 'failover', loss, rowsMax, atMs: askedMs, forMs: 1 };
  const sinceMs = Math.min(2_500, when.atMs);
  const stuck: SimFault = {
    kind: 'stuck-copies',
    partition: askedMs % 2,
    atMs: when.atMs - sinceMs,
    forMs: sinceMs + 1,
  };
  return askedMs % 2 === 0 ? [stuck, gone, wish] : [gone, wish];
}

/** What makes it worse: somebody else has to write just before or while the site fills up again. */
function followers(random: Random, data: readonly string[], atMs: number): SimFault[] {
  if (random.fraction() < 0.4) return [];
  const site = data[integerBetween(random, 0, data.length - 1)]!;
  const when = { atMs: Math.max(0, atMs + integerBetween(random, -500, 5_000)), forMs: 1, site };
  if (random.fraction() < 0.7) return [{ kind: 'nominate', ...when, cause: 'failover' }];
  return [{ kind: 'kill', ...when, forMs: integerBetween(random, 200, 4_000), power: random.fraction() < 0.5 }];
}
