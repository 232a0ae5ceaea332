import type { Register } from '@tidemark/control/consensus/register';
import { beginElection, commitElection, withdrawElection } from '@tidemark/control/consensus/register-changes';
import { type Cause, initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { ackOf } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { Fault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import { SeededRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { ElectionRun } from './election.ts';
import { ElectionLoop, type ElectionLoopParts, type LeadingWriter } from './election-loop.ts';
import { Members } from './members.ts';

const clock = new SystemClock();
const SITES = ['paris', 'tokyo', 'quito'];
const KEYSPACE = travelKeyspace({ failover: 'manual', sites: { paris: 'data', tokyo: 'data', quito: 'data' } });
const CUTS = [{ seq: -1, chain: '' }];

/** What the candidate waits for when the operator moves the keyspace to tokyo; it is never answered. */
type Stuck = 'term' | 'lease' | 'fence' | 'copies' | 'register' | 'nowhere';

/** paris, which stands for its keyspace and gets stuck; beside it the register, where others may do what they like. */
function setUp(stuck: Stuck) {
  let value: RegisterValue = initialValue(KEYSPACE);
  const never = new Promise<never>(() => {});
  const state = { isStuck: false, outcomes: [] as string[] };
  const stick = (at: Stuck): boolean => {
    state.isStuck ||= at === stuck;
    return at === stuck;
  };
  const set = (changed: ReturnType<typeof beginElection>): void => {
    if (!('value' in changed)) throw new Error(changed.refused);
    value = changed.value;
  };
  const register: Register = {
    read: async (signal) => (value.election !== null && stick('register') ? aborted(signal) : value),
    change: async (make) => {
      const changed = make(value, `c${value.version}`);
      if ('value' in changed) value = changed.value;
      return changed;
    },
    lease: () => never,
  };
  const copies = SITES.map((origin) => ({
    origin,
    logId: origin,
    trusted: true,
    vouched: null,
    positions: [[0, -1, '']],
  }));
  const network: Pick<Network, 'ask'> = {
    ask: async (url) => {
      const [, site, what] = /^http:..(\w+).v1.internal.(\w+)/.exec(url)!;
      if (what === 'fence' && stick('fence')) return never;
      // Nothing is closed by that: it asks the register whether to go on.
      if (what === 'fence' && stuck === 'register') return { status: 503, body: {} };
      if (what === 'copies' && value.election !== null && stick('copies')) return never;
      const head = { epoch: 0, seq: -1, chain: '' };
      const report = {
        site,
        origin: 'paris',
        logId: site,
        trusted: true,
        partitions: [head],
        logIds: {},
        vouched: null,
      };
      return { status: 200, body: what === 'fence' ? report : { site, copies } };
    },
  };
  const leading: LeadingWriter = {
    epoch: 1,
    writerId: 'w',
    registerChanged: () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const common = {
    ...{ site: 'paris', keyspace: KEYSPACE, network: network as Network, placeOf: (site: string) => `http://${site}` },
    ...{ clock, random: new SeededRandom(3), logger: SILENT, current: () => value },
  };
  const electionLoop = new ElectionLoop<LeadingWriter>({
    ...common,
    ...{ clockTrouble: () => null, logTrouble: () => null, clockDoubt: () => null },
    election: (onWaiting, signal) => {
      const members = new Members({ ...common, cluster: 'c', remotes: new Map() }, signal);
      return new ElectionRun(
        { ...common, members, register, lossyEnd: () => never, checkNoted: async () => {}, onWaiting },
        signal,
      );
    },
    term: async (elected, _ended, signal) => {
      if (stick('lease')) throw new Fault('unavailable', 'no majority grants the lease');
      return stick('term') ? aborted(signal) : { ...leading, epoch: elected.epoch };
    },
    onOutcome: (_, { kind }) => void state.outcomes.push(kind),
    onFatal: (error) => void state.outcomes.push(String(error)),
  } satisfies ElectionLoopParts<LeadingWriter>);
  /** Somebody else is elected, or begins to be, or begins and gives it up. */
  const others = (how: 'terms' | 'begins' | 'withdraws'): void => {
    const beginning = { site: 'tokyo', writerId: 'wt', cause: 'failover' as Cause, reason: '', loss: null, beganMs: 0 };
    set(beginElection(value, 'x', { ...beginning, version: value.version }));
    const epoch = value.election!.epoch;
    const commit = { epoch, writerId: 'wt', epochEnds: CUTS, reported: [], ack: ackOf(0), nowMs: 0 };
    if (how === 'terms') set(commitElection(value, 'y', commit));
    if (how === 'withdraws') set(withdrawElection(value, 'y', { epoch, writerId: 'wt' }));
    electionLoop.registerChanged(value);
  };
  /** Lets a first term begin and end, so that there is one to close. */
  const termOnce = (): void => {
    const first = { site: 'paris', writerId: 'w0', cause: 'start' as Cause, reason: '', loss: null, beganMs: 0 };
    set(beginElection(value, 'a', { ...first, version: 0 }));
    const members = SITES.map((site) => ({
      site,
      state: 'ACTIVE' as const,
      logIds: Object.fromEntries(SITES.map((origin) => [origin, origin])),
    }));
    const commit = { epoch: 1, writerId: 'w0', epochEnds: null, reported: members, ack: ackOf(0), nowMs: 0 };
    set(commitElection(value, 'b', commit));
  };
  return { electionLoop, state, others, termOnce };
}

/** Never answers, but ends when nobody waits any more. */
function aborted(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Fault('unavailable', 'given up')), { once: true });
  });
}

describe('a candidate', () => {
  const stuckAt: readonly Stuck[] = ['term', 'lease', 'fence', 'copies', 'register'];
  it.each(stuckAt)('whose election is superseded leaves it at once, stuck at its %s', async (stuck) => {
    const isWon = stuck === 'term' || stuck === 'lease';
    for (const how of isWon ? (['terms'] as const) : (['terms', 'begins', 'withdraws'] as const)) {
      const { electionLoop, state, others, termOnce } = setUp(stuck);
      termOnce();
      electionLoop.start();
      await expect.poll(() => state.isStuck, { timeout: 5_000 }).toBe(true);
      expect(electionLoop.isCampaigning).toBe(true);
      others(how);
      await new Promise((resolve) => setImmediate(resolve));
      expect([how, electionLoop.isCampaigning, electionLoop.leading]).toEqual([how, false, null]);
      expect(() =>
        electionLoop.nominate({ cause: 'switchover', reason: 'back', loss: null, version: null }),
      ).not.toThrow();
      await electionLoop[Symbol.asyncDispose]();
    }
  });
});

describe('a primary', () => {
  it('whose copies were fenced by an election that was withdrawn begins a new epoch', async () => {
    const { electionLoop, others, termOnce } = setUp('nowhere');
    termOnce();
    electionLoop.start();
    await expect.poll(() => electionLoop.leading?.epoch ?? 0, { timeout: 5_000 }).toBe(2);
    others('withdraws');
    await expect.poll(() => electionLoop.leading?.epoch ?? 0, { timeout: 5_000 }).toBe(4);
    await electionLoop[Symbol.asyncDispose]();
  });
});
