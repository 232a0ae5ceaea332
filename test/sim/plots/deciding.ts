/** Plots about who decides: rival candidates, and many changes of the register over lines that are late. */

import { integerBetween, type Random } from '@tidemark/platform/random';
import { pick } from '../draw.ts';
import type { SimFault } from '../faults/sim-fault.ts';
import { type Shape, sitesOf } from '../shape.ts';
import { nomination } from './plot.ts';

/** Several sites are asked at nearly the same time, and one of those who matter dies meanwhile. */
export function rivals(random: Random, atMs: number, { data }: Shape): SimFault[] {
  const soon = integerBetween(random, 0, 300);
  const dies = { kind: 'doom', site: pick(random, data), afterSteps: integerBetween(random, 1, 60) } as const;
  return [
    ...data.map((_, i) => nomination(random, atMs + i * soon, data[(i + 1) % data.length]!)),
    { ...dies, atMs, forMs: integerBetween(random, 300, 3_000), done: random.fraction() < 0.5 },
  ];
}

/** A candidate is slow between being named and the commit, and meanwhile another one is named. */
export function overtaken(random: Random, atMs: number, { data }: Shape): SimFault[] {
  const site = pick(random, data.slice(1));
  const second = pick(
    random,
    data.filter((name) => name !== site),
  );
  const forMs = integerBetween(random, 1_500, 4_000);
  const late = { kind: 'late', atMs: 0, forMs, site, ms: integerBetween(random, 100, 700) } as const;
  const pauseMs = { atMs: integerBetween(random, 0, 250), forMs: integerBetween(random, 300, 1_500) };
  const slow = pick<SimFault>(random, [
    { ...late, of: '/v1/internal/fence' },
    { ...late, of: '/v1/internal/register' },
    { kind: 'pause', ...pauseMs, site },
  ]);
  const brings = nomination(random, integerBetween(random, 0, 150), second);
  // The second one stands still in its turn: whoever comes to the commit first finds the other one named.
  const rest = {
    kind: 'pause',
    site: second,
    atMs: integerBetween(random, 0, 150),
    forMs: integerBetween(random, 600, 3_000),
  } as const;
  return [
    { kind: 'when', atMs, forMs: 3_000, sees: 'named', site, brings: slow },
    { kind: 'when', atMs, forMs: 5_000, sees: 'named', site: second, brings: rest },
    { kind: 'nominate', atMs: atMs + 10, forMs: 1, site, cause: 'failover' },
    { kind: 'when', atMs, forMs: 3_000, sees: 'named', site, brings },
  ];
}

/** Everybody changes the register at once, over lines that are late and say things twice; some lost their members' trust. */
export function disputes(random: Random, atMs: number, shape: Shape): SimFault[] {
  const sites = sitesOf(shape);
  const forMs = integerBetween(random, 1_500, 5_000);
  const of = '/v1/internal/register';
  const soonMs = (): number => atMs + integerBetween(random, 0, forMs);
  const salt = integerBetween(random, 0, 1_000_000);
  const more = pick<SimFault[]>(random, [
    [],
    [nomination(random, soonMs(), pick(random, shape.data)), nomination(random, soonMs(), pick(random, shape.data))],
    [{ kind: 'lost-end', atMs: soonMs(), forMs: 200, site: pick(random, shape.data), salt }],
    [{ kind: 'kill', atMs: soonMs(), forMs: 300, site: pick(random, sites), power: false }],
  ]);
  return [
    { kind: 'operators', atMs, forMs, everyMs: integerBetween(random, 50, 500) },
    ...sites.map((site): SimFault => ({ kind: 'late', atMs, forMs, site, of, ms: integerBetween(random, 20, 900) })),
    ...(random.fraction() < 0.5 ? [{ kind: 'lossy', atMs, forMs, rate: 0.25 * random.fraction() } as const] : []),
    ...more,
  ];
}
