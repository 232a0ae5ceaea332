import { ackOf } from '@tidemark/model/table';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Election, RegisterValue } from '../consensus/register-value.ts';
import { REGISTER } from '../testing/sample-register.ts';
import { closureOf, type FenceReport } from './election.ts';
import {
  closesWithoutLoss,
  type Move,
  type MoveSight,
  moveRefusal,
  receivedSeqs,
  TARGET_BEHIND_MAX,
  TARGET_LAG_MS_MAX,
} from './move-rules.ts';
import type { SiteCopies } from './site-copies.ts';

const DATA = ['paris', 'quito', 'tokyo'];
const logIdOf = (site: string) => `${site}-of-paris`;
const VALUE: RegisterValue = {
  ...REGISTER,
  members: DATA.map((site) => ({ site, state: 'ACTIVE', logIds: { paris: logIdOf(site) } })),
  witnesses: ['vienna'],
  terms: [{ epoch: 4, site: 'paris', writerId: 'w', epochEnds: null }],
};
const ELECTION: Election = {
  epoch: 5,
  site: 'quito',
  writerId: 'x',
  cause: 'switchover',
  reason: 'because',
  beganMs: 0,
  loss: null,
};

function copiesAt(site: string, seq = 9, trusted = true): SiteCopies {
  return {
    site,
    copies: [
      {
        origin: 'paris',
        logId: logIdOf(site),
        trusted,
        vouched: 'itself',
        positions: [
          [4, seq, 'c'],
          [4, seq, 'c'],
        ],
      },
    ],
  };
}

const HEALTHY: MoveSight = {
  primary: { answers: true, writes: true, clockTrouble: null },
  isLogReachable: true,
  copies: DATA.map((site) => copiesAt(site)),
  targetLagMs: 40,
  targetBehind: 0,
  loss: null,
};
const GONE: MoveSight = {
  ...HEALTHY,
  primary: { answers: false, writes: false, clockTrouble: null },
  isLogReachable: false,
  copies: ['quito', 'tokyo'].map((site) => copiesAt(site)),
};
const switchover: Move = { kind: 'switchover', to: 'tokyo', acceptLoss: null };
const failover: Move = { ...switchover, kind: 'failover' };
const code = (value: RegisterValue, move: Move, sight: MoveSight) => moveRefusal(value, move, sight)?.code ?? 'goes on';

describe('move rules', () => {
  it('a healthy target is moved to as planned, and a lost primary is left with nothing lost', () => {
    expect([code(VALUE, switchover, HEALTHY), code(VALUE, failover, GONE)]).toEqual(['goes on', 'goes on']);
  });

  it('each target that cannot be is refused by the rule it breaks', () => {
    const to = (site: string): Move => ({ ...switchover, to: site });
    const rebuilding = VALUE.members.map((m) => (m.site === 'tokyo' ? { ...m, state: 'RECOVERING' as const } : m));
    const found = {
      witness: code(VALUE, to('vienna'), HEALTHY),
      'unknown-site': code(VALUE, to('lima'), HEALTHY),
      already: code(VALUE, to('paris'), HEALTHY),
      rebuild: code({ ...VALUE, members: rebuilding }, switchover, HEALTHY),
      unreachable: code(VALUE, switchover, { ...HEALTHY, copies: [copiesAt('paris')] }),
      'election-open': code({ ...VALUE, election: ELECTION }, switchover, HEALTHY),
      'no-term': code({ ...VALUE, terms: [] }, switchover, HEALTHY),
      'primary-gone': code(VALUE, switchover, GONE),
      'primary-alive': code(VALUE, failover, HEALTHY),
      'too-few-members': code(VALUE, failover, { ...GONE, copies: [copiesAt('tokyo')] }),
    };
    for (const [expected, got] of Object.entries(found)) expect(got).toBe(expected);
  });

  it('a target may be so far behind and no further, and one of which nobody knows is too far', () => {
    const at = (targetLagMs: number | null, targetBehind: number | null = null) =>
      code(VALUE, switchover, { ...HEALTHY, targetLagMs, targetBehind });
    expect([at(TARGET_LAG_MS_MAX), at(TARGET_LAG_MS_MAX + 1), at(null)]).toEqual(['goes on', 'lagging', 'lagging']);
    // With a clock that is wrong nobody knows the lag, and the records say how near it is.
    expect([at(null, TARGET_BEHIND_MAX), at(null, TARGET_BEHIND_MAX + 1)]).toEqual(['goes on', 'lagging']);
  });

  it('a primary whose process answers and whose log is silent, or that may not stamp, may be left either way', () => {
    const primary = { answers: true, writes: false, clockTrouble: 'its clock is 60 s behind' };
    const sight = { ...HEALTHY, primary, targetLagMs: null };
    expect([code(VALUE, failover, sight), code(VALUE, switchover, sight)]).toEqual(['goes on', 'goes on']);
  });

  it('sends nobody in a circle: a move that is refused for another one names that only where it is granted', () => {
    const far = { ...HEALTHY, targetLagMs: null, targetBehind: null };
    expect(moveRefusal(VALUE, failover, HEALTHY)!.remedy).toMatch(/switchover --to tokyo/);
    expect(moveRefusal(VALUE, failover, far)!.remedy).toBe(moveRefusal(VALUE, switchover, far)!.remedy);
  });

  it('an open election is waited for, but one that may lose nothing gives way to a failover that accepts a loss', () => {
    const open = (loss: Election['loss'], acceptLoss: number | null) =>
      code({ ...VALUE, election: { ...ELECTION, loss } }, { ...failover, acceptLoss }, GONE);
    const lossy = { rowsMax: 9, mode: 'consistent', heard: null } as const;
    expect([open(null, null), open(lossy, 9), open(null, 9)]).toEqual(['election-open', 'election-open', 'goes on']);
  });

  it('an origin that answers is judged by its own word, and not by whether its log is in reach', () => {
    const local: RegisterValue = { ...VALUE, ack: { name: 'local', k: 0 } };
    const sight = (trusted: boolean): MoveSight => ({
      ...GONE,
      copies: [copiesAt('paris', 9, trusted), ...GONE.copies],
    });
    const closes = (trusted: boolean) => closesWithoutLoss(local, { ...sight(trusted), isLogReachable: true });
    expect([closes(true), closes(false)]).toEqual([true, false]);
  });

  it('what may be lost is refused unless at least so much was accepted; what was not counted always', () => {
    const local: RegisterValue = { ...VALUE, ack: { name: 'local', k: 0 } };
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.option(fc.nat(120)), fc.boolean(), (rows, more, accept, known) => {
        const received = { records: rows, rows };
        const loss = known ? { received, consistent: { records: rows, rows: rows + more } } : null;
        const got = code(local, { ...failover, acceptLoss: accept }, { ...GONE, loss });
        if (accept === null || !known) expect(got).toBe('loss');
        else expect(got).toBe(rows <= accept ? 'goes on' : 'loss-above-limit');
      }),
    );
    expect(code(local, failover, { ...GONE, isLogReachable: true })).toBe('goes on');
  });

  it('says that nothing is lost exactly where fences at those who answer would close it so', () => {
    const members = fc.array(fc.constantFrom<'ACTIVE' | 'RECOVERING'>('ACTIVE', 'ACTIVE', 'RECOVERING'), {
      minLength: 3,
      maxLength: 3,
    });
    const answering = fc.subarray(DATA);
    fc.assert(
      fc.property(members, answering, fc.nat(2), fc.boolean(), (states, sites, k, trusted) => {
        const value: RegisterValue = {
          ...VALUE,
          ack: ackOf(k),
          members: VALUE.members.map((member, i) => ({ ...member, state: states[i]! })),
        };
        // The origin answers as one of them only with its log.
        const copies = sites.filter((site) => site !== 'paris').map((site) => copiesAt(site, 9, trusted));
        const reports = copies.map(({ site, copies: [copy] }): FenceReport => {
          const partitions = copy!.positions.map(([epoch, seq, chain]) => ({ epoch, seq, chain }));
          const { logId, vouched } = copy!;
          return { site, origin: 'paris', logId, trusted, partitions, logIds: {}, vouched };
        });
        const closes = closureOf(value, reports).kind === 'lossless';
        expect(closesWithoutLoss(value, { ...GONE, copies })).toBe(closes);
      }),
      { numRuns: 300 },
    );
  });

  it('the longest head of the newest term counts, of an earlier one none', () => {
    const old: SiteCopies = { site: 'x', copies: [{ ...copiesAt('tokyo').copies[0]!, positions: [[3, 99, 'c']] }] };
    expect(receivedSeqs(VALUE, [copiesAt('tokyo', 4), copiesAt('quito', 7), old], 2)).toEqual([7, 7]);
    expect(receivedSeqs(VALUE, [], 2)).toEqual([-1, -1]);
  });

  it('every refusal has its rule, its words and its remedy', () => {
    const loss = { received: { records: 1, rows: 5 }, consistent: { records: 90, rows: 98 } };
    const local: RegisterValue = { ...VALUE, ack: { name: 'local', k: 0 } };
    for (const refusal of [
      moveRefusal(VALUE, failover, HEALTHY),
      moveRefusal(VALUE, switchover, GONE),
      moveRefusal(local, failover, GONE),
      moveRefusal(local, { ...failover, acceptLoss: 0 }, { ...GONE, loss }),
    ]) {
      for (const text of [refusal!.rule, refusal!.words, refusal!.remedy]) expect(text).toMatch(/\w.{10,}/);
    }
    const above = moveRefusal(local, { ...failover, acceptLoss: 4 }, { ...GONE, loss })!;
    expect(above.words).toMatch(
      /^up to 5 rows may be lost by keeping all .*, 98 by going back .*, and 4 were accepted$/,
    );
    expect(above.remedy).toMatch(/"tidemark failover --to tokyo --accept-loss 5"/);
  });
});
