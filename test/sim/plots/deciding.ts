/** Plots about who decides: rival candidates, and many changes of the register over lines that are late. */

import { integerBetween, type Random } from '@tidemark/world/random';
import { pick } from '../draw.ts';
import { type Shape, sitesOf } from '../shape.ts';
import type { SimFault } from '../sim-fault.ts';
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
  const ms = integerBetween(random, 200, 2_500);
  const late = (of: string): SimFault => ({ kind: 'late', atMs, forMs, site, of: `/v1/internal/${of}`, ms });
  const pause = {
    kind: 'pause',
    site,
    atMs: integerBetween(random, 0, 100),
    forMs: integerBetween(random, 300, 3_000),
  } as const;
  const slow = pick<SimFault>(random, [
    late('fence'),
    late('copies'),
    late('fence'),
    { kind: 'when', atMs, forMs: 3_000, sees: 'named', site, brings: pause },
  ]);
  const brings = nomination(random, integerBetween(random, 0, 400), second);
  return [
    slow,
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
