/** Scenarios that seeds drew once, as they were drawn then. */

import type { SimFault } from '../faults/sim-fault.ts';
import type { Case } from './case.ts';

const TWO = {
  data: ['paris', 'tokyo'],
  witnesses: ['quito'],
  partitions: 2,
  forgetsAfterMs: null,
  isBrief: false,
} as const;

function clientsOf(...rules: readonly (readonly [thinkMs: number, writeRate: number])[]) {
  return rules.map(([thinkMs, writeRate], i) => ({ name: `client${i + 1}`, thinkMs, writeRate }));
}

const LOST_BEGINNING: readonly SimFault[] = [
  { kind: 'kill', atMs: 1_103, forMs: 34_382, site: 'paris', power: true },
  { kind: 'nominate', site: 'tokyo', cause: 'failover', loss: 'consistent', atMs: 3_263, forMs: 1 },
];

const DEFINED_TWICE: readonly SimFault[] = [
  { kind: 'isolate', site: 'quito', atMs: 2_078, forMs: 1_093, clientsToo: false },
  { kind: 'nominate', site: 'paris', atMs: 2_178, forMs: 1, cause: 'failover' },
  { kind: 'nominate', atMs: 2_701, forMs: 6_382, site: 'tokyo', cause: 'switchover' },
  { kind: 'wipe', site: 'paris', atMs: 3_171, forMs: 245 },
  { kind: 'isolate', site: 'tokyo', atMs: 3_171, forMs: 4_000, clientsToo: false },
  { kind: 'column', atMs: 3_420, forMs: 1 },
  { kind: 'nominate', atMs: 4_323, forMs: 1, site: 'quito', cause: 'failover' },
  { kind: 'column', atMs: 5_367, forMs: 1 },
  { kind: 'log-away', atMs: 5_840, forMs: 191, site: 'paris' },
  { kind: 'kill', site: 'tokyo', atMs: 11_122, forMs: 200, power: false },
];

const LOST_COPY: readonly SimFault[] = [
  { kind: 'appends', atMs: 3_665, forMs: 2_777, site: 'paris', rate: 0.17 },
  { kind: 'cut', atMs: 6_541, forMs: 3_382, from: 'tokyo', to: 'paris', both: true },
  { kind: 'nominate', atMs: 6_871, forMs: 1, site: 'tokyo', cause: 'failover' },
  { kind: 'trimmed', atMs: 8_928, forMs: 1_536, site: 'tokyo', salt: 971_547 },
];

/** Once all is mended, the clock of the primary steps: paris has just come back without the end of its copy. */
const LOST_CLOSING_COPY: readonly SimFault[] = [
  { kind: 'clock', site: 'paris', atMs: 1_248, forMs: 3_000, wrongMs: 374, strobes: false },
  { kind: 'cut', atMs: 1_543, forMs: 3_378, from: 'paris', to: 'tokyo', both: true },
  { kind: 'nominate', site: 'tokyo', atMs: 2_026, forMs: 1, cause: 'failover' },
  { kind: 'kill', site: 'paris', atMs: 2_748, forMs: 50, power: false },
  { kind: 'lost-end', site: 'paris', atMs: 9_255, forMs: 19_918, salt: 762_553 },
  { kind: 'poison', site: 'paris', atMs: 10_162, forMs: 1_194, salt: 663_258 },
  { kind: 'nominate', site: 'tokyo', cause: 'failover', loss: 'received', rowsMax: 2e9, atMs: 12_379, forMs: 1 },
];

/** What it decides lands late in its control log, and it ends as soon as it writes. */
const WON_AND_GONE: readonly SimFault[] = [
  { kind: 'slow-log', atMs: 1_000, forMs: 6_000, site: 'tokyo', of: 'control', ms: 1_500, landed: false },
  {
    kind: 'when',
    atMs: 1_000,
    forMs: 6_000,
    sees: 'begun',
    site: 'tokyo',
    brings: { kind: 'kill', site: 'tokyo', atMs: 0, forMs: 1_500, power: false },
  },
  { kind: 'nominate', atMs: 2_000, forMs: 1, site: 'tokyo', cause: 'switchover' },
];

export const DRAWN: readonly Case[] = [
  {
    name: 'fence-before-the-beginning',
    tells:
      'a log that lost all of it got a fence as its first record, never an identity, and its site never counted again',
    scenario: {
      seed: 39_237,
      shape: { ...TWO, k: 0, degradeTo: 0 },
      durationMs: 11_923,
      clients: clientsOf([284, 0.53], [258, 0.68], [244, 0.55], [559, 0.61]),
      faults: LOST_BEGINNING,
    },
  },
  {
    name: 'a-column-nobody-has',
    tells:
      'a site whose disks were lost took a PUT of a keyspace for a new one, and answered 200 for a column that nobody has',
    scenario: {
      seed: 39_803,
      shape: { ...TWO, k: 1, degradeTo: 1 },
      durationMs: 9_543,
      clients: clientsOf([316, 0.49], [395, 0.66], [192, 0.41]),
      faults: DEFINED_TWICE,
    },
  },
  {
    name: 'a-copy-of-a-former-term',
    tells:
      'a primary lost its copy of the term before its own while no other member counted: it could never lead again, and nobody could let it in',
    scenario: {
      seed: 432_225_441,
      shape: { ...TWO, k: 1, degradeTo: 1 },
      durationMs: 10_478,
      clients: clientsOf([307, 0.41], [383, 0.46], [454, 0.32], [224, 0.69]),
      faults: LOST_COPY,
    },
  },
  {
    name: 'won-and-gone',
    tells: 'a process that ended between winning and writing that down left a term without any decision',
    scenario: {
      seed: 15,
      shape: { ...TWO, data: ['paris', 'tokyo', 'quito'], witnesses: [], k: 1, degradeTo: 1 },
      durationMs: 8_000,
      clients: clientsOf([300, 0.5]),
      faults: WON_AND_GONE,
    },
  },
  {
    name: 'a-copy-of-the-closing-term',
    tells:
      'a member lost its copy of the term that was being closed, as the clock of the primary was wrong: nobody could lead, and nobody let it in',
    scenario: {
      seed: 15_995_877,
      shape: { ...TWO, k: 0, degradeTo: 0 },
      durationMs: 14_979,
      // To the last digit: where they end decides when the clock steps.
      clients: clientsOf([151, 0.5881668521091342], [464, 0.34807577878236773], [370, 0.6806925638578832]),
      faults: LOST_CLOSING_COPY,
    },
  },
];
