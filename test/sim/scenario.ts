/** What a run is made of, drawn from its seed: plain data, so that a failing one can be made smaller and told. */

import { integerBetween, type Random, SeededRandom } from '@tidemark/world/random';
import type { ClientRules } from './client.ts';

export const SITES = ['paris', 'tokyo', 'quito'] as const;

type For = { readonly atMs: number; readonly forMs: number };

/** One thing that goes wrong for a while, and is over then. */
export type SimFault = For &
  (
    | { readonly kind: 'kill'; readonly site: string; readonly power: boolean }
    /** Dies at a step of its own, before or after what it asked for was done. */
    | { readonly kind: 'doom'; readonly site: string; readonly afterSteps: number; readonly done: boolean }
    | { readonly kind: 'pause'; readonly site: string }
    | { readonly kind: 'cut'; readonly from: string; readonly to: string; readonly both: boolean }
    | { readonly kind: 'isolate'; readonly site: string; readonly clientsToo: boolean }
    | { readonly kind: 'lossy'; readonly rate: number }
    | { readonly kind: 'slow'; readonly ms: number }
    | { readonly kind: 'appends'; readonly site: string; readonly rate: number }
    | { readonly kind: 'log-away'; readonly site: string }
    | { readonly kind: 'poison'; readonly site: string; readonly salt: number }
    /** Is killed, and a partition of its log has lost its end when it comes back. */
    | { readonly kind: 'lost-end'; readonly site: string; readonly salt: number }
    | { readonly kind: 'board-empty'; readonly site: string }
    | { readonly kind: 'board-away'; readonly site: string }
    | { readonly kind: 'board-late'; readonly site: string }
    | { readonly kind: 'clock'; readonly site: string; readonly wrongMs: number; readonly strobes: boolean }
    | { readonly kind: 'disk-full'; readonly site: string }
    | { readonly kind: 'disk-error'; readonly site: string }
    /** Somebody wants the site to be the primary, rightly or not. */
    | { readonly kind: 'nominate'; readonly site: string; readonly cause: 'suspicion' | 'switchover' | 'failover' }
  );

export type Scenario = {
  readonly seed: number;
  readonly k: number;
  readonly partitions: number;
  /** How long things go wrong; afterwards everything must mend. */
  readonly durationMs: number;
  readonly clients: readonly ClientRules[];
  readonly faults: readonly SimFault[];
};

export function scenarioOf(seed: number): Scenario {
  const random = new SeededRandom(Math.imul(seed, 0x9e3779b1));
  const durationMs = integerBetween(random, 6_000, 16_000);
  const clients = Array.from({ length: integerBetween(random, 2, 4) }, (_, i) => ({
    name: `client${i + 1}`,
    thinkMs: integerBetween(random, 60, 600),
    writeRate: 0.3 + 0.4 * random.fraction(),
  }));
  const faults = Array.from({ length: integerBetween(random, 0, 4) }, () => faultOf(random, durationMs));
  for (let plots = integerBetween(random, 0, 2); plots > 0; plots--)
    faults.push(...pick(random, PLOTS)(random, integerBetween(random, 500, durationMs - 3_000)));
  faults.sort((a, b) => a.atMs - b.atMs);
  return { seed, k: random.fraction() < 0.8 ? 1 : 2, partitions: 2, durationMs, clients, faults };
}

const WEIGHTS: readonly (readonly [SimFault['kind'], number])[] = [
  ['kill', 5],
  ['doom', 5],
  ['pause', 3],
  ['cut', 3],
  ['isolate', 3],
  ['lossy', 1],
  ['slow', 1],
  ['appends', 4],
  ['log-away', 2],
  ['poison', 2],
  ['lost-end', 2],
  ['board-empty', 1],
  ['board-away', 1],
  ['board-late', 1],
  ['clock', 4],
  ['disk-full', 1],
  ['disk-error', 1],
  ['nominate', 5],
];

function faultOf(random: Random, durationMs: number): SimFault {
  const atMs = integerBetween(random, 0, durationMs - 2_000);
  const forMs = integerBetween(random, 100, random.fraction() < 0.6 ? 2_000 : 8_000);
  const site = pick(random, SITES);
  const when = { atMs, forMs };
  const kind = weighted(random);
  switch (kind) {
    case 'kill':
      return { kind, ...when, site, power: random.fraction() < 0.4 };
    case 'doom': {
      // Most of what is asked for is asked for again and again; the interesting steps come in bursts.
      const afterSteps = integerBetween(random, 1, random.fraction() < 0.5 ? 30 : 400);
      return { kind, ...when, site, afterSteps, done: random.fraction() < 0.5 };
    }
    case 'cut': {
      const to = pick(
        random,
        SITES.filter((one) => one !== site),
      );
      return { kind, ...when, from: site, to, both: random.fraction() < 0.5 };
    }
    case 'isolate':
      return { kind, ...when, site, clientsToo: random.fraction() < 0.5 };
    case 'lossy':
      return { kind, ...when, rate: 0.02 + 0.2 * random.fraction() };
    case 'slow':
      return { kind, ...when, ms: integerBetween(random, 100, 800) };
    case 'appends':
      return { kind, ...when, site, rate: 0.05 + 0.5 * random.fraction() };
    case 'lost-end':
    case 'poison':
      return { kind, ...when, site, salt: integerBetween(random, 0, 1_000_000) };
    case 'clock': {
      const wrongMs = (random.fraction() < 0.5 ? -1 : 1) * integerBetween(random, 50, 3_600_000);
      return { kind, ...when, site, wrongMs, strobes: random.fraction() < 0.4 };
    }
    case 'nominate':
      return { kind, ...when, site, cause: pick(random, ['suspicion', 'switchover', 'failover'] as const) };
    default:
      return { kind, ...when, site };
  }
}

/** Faults that are worth more together than each alone, from a moment on. */
const PLOTS: readonly ((random: Random, atMs: number) => SimFault[])[] = [
  lostPrimary,
  lostPrimary,
  rivals,
  wrongClock,
  dullLinks,
  lostAnswers,
  foreigners,
];

/** The site that writes at first is gone for long, one way or another, and another one is asked to take over. */
function lostPrimary(random: Random, atMs: number): SimFault[] {
  const site = SITES[0];
  const when = { atMs, forMs: integerBetween(random, 3_000, 12_000) };
  const lost = pick<SimFault>(random, [
    { kind: 'kill', ...when, site, power: true },
    { kind: 'kill', ...when, site, power: false },
    { kind: 'pause', ...when, site },
    { kind: 'isolate', ...when, site, clientsToo: false },
    { kind: 'isolate', ...when, site, clientsToo: true },
  ]);
  return [lost, ...nominations(random, atMs, SITES.slice(1))];
}

/** Two sites are asked at nearly the same time, and one of those who matter dies meanwhile. */
function rivals(random: Random, atMs: number): SimFault[] {
  const soon = integerBetween(random, 0, 300);
  const dies = { kind: 'doom', site: pick(random, SITES), afterSteps: integerBetween(random, 1, 60) } as const;
  return [
    nomination(random, atMs, 'tokyo'),
    nomination(random, atMs + soon, 'quito'),
    nomination(random, atMs + 2 * soon, 'paris'),
    { ...dies, atMs, forMs: integerBetween(random, 300, 3_000), done: random.fraction() < 0.5 },
  ];
}

/** A site that writes with a clock that runs ahead is followed by one with the right time. */
function wrongClock(random: Random, atMs: number): SimFault[] {
  const wrongMs = (random.fraction() < 0.3 ? -1 : 1) * integerBetween(random, 100, 20_000);
  const site = SITES[0];
  const again = { kind: 'kill', site, atMs: atMs + 1_500, forMs: 200, power: false } as const;
  return [
    { kind: 'clock', site, atMs, forMs: 1_400, wrongMs, strobes: false },
    random.fraction() < 0.5 ? again : nomination(random, atMs + 1_500, 'tokyo'),
  ];
}

/** Messages are late and lost while the primary moves. */
function dullLinks(random: Random, atMs: number): SimFault[] {
  const forMs = integerBetween(random, 1_500, 5_000);
  return [
    { kind: 'slow', atMs, forMs, ms: integerBetween(random, 100, 900) },
    { kind: 'lossy', atMs, forMs, rate: 0.3 * random.fraction() },
    ...nominations(random, atMs, SITES),
  ];
}

/** Appends are not answered, where it is written and where it is copied, and a process begins again in between. */
function lostAnswers(random: Random, atMs: number): SimFault[] {
  const forMs = integerBetween(random, 2_000, 5_000);
  const rate = 0.1 + 0.4 * random.fraction();
  return [
    { kind: 'appends', site: SITES[0], atMs, forMs, rate },
    { kind: 'appends', site: pick(random, SITES.slice(1)), atMs, forMs, rate },
    random.fraction() < 0.5
      ? { kind: 'kill', site: SITES[0], atMs: atMs + integerBetween(random, 200, forMs), forMs: 300, power: false }
      : nomination(random, atMs + integerBetween(random, 200, forMs), pick(random, SITES)),
  ];
}

/** Foreign records in many places at once. */
function foreigners(random: Random, atMs: number): SimFault[] {
  return Array.from({ length: 6 }, (): SimFault => {
    const at = { atMs: atMs + integerBetween(random, 0, 2_000), forMs: 1 };
    return { kind: 'poison', ...at, site: pick(random, SITES), salt: integerBetween(random, 0, 1_000_000) };
  });
}

function nominations(random: Random, atMs: number, sites: readonly string[]): SimFault[] {
  return Array.from({ length: integerBetween(random, 1, 2) }, () =>
    nomination(random, atMs + integerBetween(random, 200, 3_000), pick(random, sites)),
  );
}

function nomination(random: Random, atMs: number, site: string): SimFault {
  return { kind: 'nominate', atMs, forMs: 1, site, cause: random.fraction() < 0.7 ? 'failover' : 'switchover' };
}

function weighted(random: Random): SimFault['kind'] {
  const total = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
  let dice = random.fraction() * total;
  for (const [kind, weight] of WEIGHTS) {
    dice -= weight;
    if (dice < 0) return kind;
  }
  return 'kill';
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[integerBetween(random, 0, from.length - 1)]!;
}
