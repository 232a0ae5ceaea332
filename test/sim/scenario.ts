/** What a run is made of, drawn from its seed: plain data, so that a failing one can be made smaller and told. */

import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';
import type { ClientRules } from './clients/client.ts';
import { pick, SITES } from './draw.ts';
import { DRAWS, type Draw, olderOf } from './draws.ts';
import { withLosses } from './faults/losses.ts';
import type { SimFault } from './faults/sim-fault.ts';
import { PLOTS } from './plots/all.ts';
import { type Shape, shapeOf } from './shape.ts';

export type Scenario = {
  readonly seed: number;
  readonly shape: Shape;
  /** How long things go wrong; afterwards everything must mend. */
  readonly durationMs: number;
  readonly clients: readonly ClientRules[];
  readonly faults: readonly SimFault[];
};

/** In one of so many runs deletes are forgotten, soon. */
const FORGETFUL_EVERY = 3;
const FORGETS_MS_MAX = 1_500;
/** And in one of so many others what takes minutes takes seconds. */
const BRIEF_EVERY = 3;

/** @param draws what may be drawn beside what always is */
export function scenarioOf(seed: number, draws: readonly Draw[] = DRAWS): Scenario {
  const random = new SeededRandom(Math.imul(seed, 0x9e3779b1));
  const durationMs = integerBetween(random, 6_000, 16_000);
  const clients = Array.from({ length: integerBetween(random, 2, 4) }, (_, i) => ({
    name: `client${i + 1}`,
    thinkMs: integerBetween(random, 60, 600),
    writeRate: 0.3 + 0.4 * random.fraction(),
  }));
  // Drawn apart from all else, so that what other seeds do stays as it was.
  const forgetsAfterMs = seed % FORGETFUL_EVERY === 1 ? (seed * 37) % FORGETS_MS_MAX : null;
  const shape = {
    ...shapeOf(random, random.fraction() < 0.8 ? 1 : 2),
    forgetsAfterMs,
    isBrief: seed % BRIEF_EVERY === 2,
  };
  const faults = Array.from({ length: integerBetween(random, 0, 3) }, () => faultOf(random, durationMs));
  for (let plots = random.fraction() < 0.15 ? 0 : integerBetween(random, 1, 2); plots > 0; plots--)
    faults.push(...pick(random, PLOTS)(random, integerBetween(random, 500, durationMs - 3_000), shape));
  // What is acked at a lowered level may be lost with the end of a log, and nobody can tell.
  const all =
    shape.degradeTo < shape.k
      ? faults.filter(({ kind }) => kind !== 'lost-end')
      : withLosses(random, shape, faults, durationMs);
  all.push(...olderOf(new SeededRandom(Math.imul(seed, 0x85ebca6b)), shape, all, durationMs, draws));
  for (let columns = random.fraction() < 0.2 ? 2 : 0; columns > 0; columns--)
    all.push({ kind: 'column', atMs: integerBetween(random, 100, durationMs - 1_000), forMs: 1 });
  all.push(...forgedIn(seed, durationMs));
  all.sort((a, b) => a.atMs - b.atMs);
  return { seed, shape, durationMs, clients, faults: all };
}

/** In one of so many runs somebody forges requests; drawn apart from all else. */
const FORGED_EVERY = 4;

function forgedIn(seed: number, durationMs: number): SimFault[] {
  if (seed % FORGED_EVERY !== 2) return [];
  const random = new SeededRandom(Math.imul(seed, 0xc2b2ae35));
  return Array.from({ length: integerBetween(random, 2, 5) }, () => {
    const atMs = integerBetween(random, 500, durationMs - 1_000);
    return { kind: 'forged', atMs, forMs: 1, salt: integerBetween(random, 0, 1_000_000) };
  });
}

/** What makes sense alone; the others are drawn with what belongs to them. */
type Lone = Exclude<
  SimFault['kind'],
  'early' | 'forged' | 'operators' | 'when' | 'column' | 'stuck-copies' | 'restored' | 'remade' | 'trimmed' | 'twin'
>;

const WEIGHTS: readonly (readonly [Lone, number])[] = [
  ['kill', 5],
  ['doom', 5],
  ['pause', 3],
  ['cut', 3],
  ['isolate', 3],
  ['lossy', 1],
  ['slow', 1],
  ['late', 2],
  ['slow-log', 3],
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

/** What sites ask of each other. */
const PATHS = ['register', 'fence', 'fill', 'copies', 'nominate', 'abdicate', ''].map((path) => `/v1/internal/${path}`);

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
    case 'late':
      return { kind, ...when, site, of: pick(random, PATHS), ms: integerBetween(random, 50, 2_500) };
    case 'slow-log': {
      const of = pick(random, ['log', 'mirror', 'control'] as const);
      return { kind, ...when, site, of, ms: integerBetween(random, 10, 600), landed: random.fraction() < 0.5 };
    }
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

function weighted(random: Random): Lone {
  const total = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
  let dice = random.fraction() * total;
  for (const [kind, weight] of WEIGHTS) {
    dice -= weight;
    if (dice < 0) return kind;
  }
  return 'kill';
}
