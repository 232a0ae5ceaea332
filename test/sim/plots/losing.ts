/** Plots about what is lost: a primary, answers, the right time, and trust in what a log holds. */

import { integerBetween, type Random } from '@tidemark/platform/random';
import { pick } from '../draw.ts';
import type { SimFault } from '../faults/sim-fault.ts';
import { type Shape, sitesOf } from '../shape.ts';
import { castOf, nomination, nominations } from './plot.ts';

/** The site that writes at first is gone for long, one way or another, and another one is asked to take over. */
export function lostPrimary(random: Random, atMs: number, { data }: Shape): SimFault[] {
  const site = data[0]!;
  const when = { atMs, forMs: integerBetween(random, 3_000, 12_000) };
  const lost = pick<SimFault>(random, [
    { kind: 'kill', ...when, site, power: true },
    { kind: 'kill', ...when, site, power: false },
    { kind: 'pause', ...when, site },
    { kind: 'isolate', ...when, site, clientsToo: false },
    { kind: 'isolate', ...when, site, clientsToo: true },
  ]);
  return [lost, ...nominations(random, atMs, data.slice(1))];
}

/** A site that writes with a clock that runs ahead, often too little to be noticed, is followed by one with the right time. */
export function wrongClock(random: Random, atMs: number, { data }: Shape): SimFault[] {
  const aheadMs = random.fraction() < 0.5 ? integerBetween(random, 350, 490) : integerBetween(random, 500, 20_000);
  const wrongMs = random.fraction() < 0.2 ? -aheadMs : aheadMs;
  const site = data[0]!;
  const again = { kind: 'kill', site, atMs: atMs + 1_500, forMs: 50, power: false } as const;
  return [
    { kind: 'clock', site, atMs, forMs: random.fraction() < 0.5 ? 1_450 : 3_000, wrongMs, strobes: false },
    random.fraction() < 0.3 ? again : nomination(random, atMs + 1_400, data[1]!),
  ];
}

/** Messages are late and lost while the primary moves. */
export function dullLinks(random: Random, atMs: number, { data }: Shape): SimFault[] {
  const forMs = integerBetween(random, 1_500, 5_000);
  return [
    { kind: 'slow', atMs, forMs, ms: integerBetween(random, 100, 900) },
    { kind: 'lossy', atMs, forMs, rate: 0.3 * random.fraction() },
    ...nominations(random, atMs, data),
  ];
}

/** Appends are not answered, where it is written and where it is copied, and a process begins again in between. */
export function lostAnswers(random: Random, atMs: number, { data }: Shape): SimFault[] {
  const forMs = integerBetween(random, 2_000, 5_000);
  const rate = 0.1 + 0.4 * random.fraction();
  const site = data[0]!;
  return [
    { kind: 'appends', site, atMs, forMs, rate },
    { kind: 'appends', site: pick(random, data.slice(1)), atMs, forMs, rate },
    random.fraction() < 0.5
      ? { kind: 'kill', site, atMs: atMs + integerBetween(random, 200, forMs), forMs: 300, power: false }
      : nomination(random, atMs + integerBetween(random, 200, forMs), pick(random, data)),
  ];
}

/** Foreign records in many places at once. */
export function foreigners(random: Random, atMs: number, shape: Shape): SimFault[] {
  return Array.from({ length: 6 }, (): SimFault => {
    const at = { atMs: atMs + integerBetween(random, 0, 2_000), forMs: 1 };
    const site = pick(random, sitesOf(shape));
    return { kind: 'poison', ...at, site, salt: integerBetween(random, 0, 1_000_000) };
  });
}

/** Nothing can be committed, or stored, for longer than a client waits. */
export function unheard(random: Random, atMs: number, shape: Shape): SimFault[] {
  const { primary, one, other } = castOf(random, shape);
  const when = { atMs, forMs: integerBetween(random, 3_200, 6_000) };
  const away = (site: string): SimFault => ({ kind: 'log-away', ...when, site });
  return pick<SimFault[]>(random, [
    [{ kind: 'isolate', ...when, site: primary, clientsToo: false }],
    [away(one), away(other)],
    [away(primary)],
  ]);
}

/** A site dies after it has written its first files. */
export function afterFlush(random: Random, _atMs: number, { data }: Shape): SimFault[] {
  const atMs = integerBetween(random, 10_300, 15_000);
  return [{ kind: 'kill', site: pick(random, data), atMs, forMs: 200, power: random.fraction() < 0.3 }];
}
