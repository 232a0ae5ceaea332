/** Faults that belong together: each is a story that a rule was made for, with its times and places drawn. */

import { integerBetween, type Random } from '@tidemark/world/random';
import { pick, SITES } from './draw.ts';
import type { SimFault } from './sim-fault.ts';

/** Faults that are worth more together than each alone, from a moment on. */
export const PLOTS: readonly ((random: Random, atMs: number) => SimFault[])[] = [
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
