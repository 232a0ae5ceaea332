import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegisterValue } from '../consensus/register-value.ts';
import { REGISTER } from '../testing/sample-register.ts';
import { eligible, judgeFailover, POLICY_RULES } from './failover-policy.ts';

const NOW = 1_700_000_000_000;
const changes = fc.record({
  ack: fc.constantFrom<RegisterValue['ack']>({ name: 'local', k: 0 }, { name: 'sync', k: 1 }, { name: 'sync', k: 2 }),
  failover: fc.constantFrom<RegisterValue['failover']>('automatic', 'manual'),
  degradeTo: fc.nat(2),
  paused: fc.boolean(),
  lastFailover: fc.option(
    fc.record({ epoch: fc.constant(4), atMs: fc.integer({ min: NOW - 7_200_000, max: NOW + 60_000 }) }),
  ),
  members: fc.array(fc.constantFrom<'ACTIVE' | 'RECOVERING'>('ACTIVE', 'RECOVERING'), { minLength: 3, maxLength: 3 }),
});

describe('failover policy', () => {
  it('goes by itself only where no rule is against it, and every blocking reason has its rule, its words and its remedy', () => {
    fc.assert(
      fc.property(changes, fc.boolean(), ({ members, ...change }, isHopeless) => {
        const value: RegisterValue = {
          ...REGISTER,
          ...change,
          members: REGISTER.members.map((member, i) => ({ ...member, state: members[i]! })),
        };
        const policy = judgeFailover(value, 'paris', isHopeless, NOW, POLICY_RULES);
        const whole = value.members.filter(({ site, state }) => site !== 'paris' && state === 'ACTIVE').length;
        const agoMs = value.lastFailover === null ? 1e12 : NOW - value.lastFailover.atMs;
        const may =
          !isHopeless &&
          value.ack.name === 'sync' &&
          value.failover === 'automatic' &&
          !value.paused &&
          whole > Math.min(value.ack.k, value.degradeTo) &&
          agoMs >= POLICY_RULES.failoverEveryMsMin;
        expect(policy.kind).toBe(may ? 'go' : 'hindered');
        if (policy.kind !== 'hindered') return;
        for (const text of [policy.blockingReason.rule, policy.blockingReason.words, policy.blockingReason.remedy]) {
          expect(text.length).toBeGreaterThan(10);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('waits while somebody moves it, and of a site that does not lead', () => {
    const election = {
      epoch: 5,
      site: 'quito',
      writerId: 'x',
      cause: 'suspicion',
      reason: '',
      beganMs: NOW,
      loss: null,
    } as const;
    for (const [value, lost] of [
      [{ ...REGISTER, election }, 'paris'],
      [REGISTER, 'tokyo'],
      [{ ...REGISTER, terms: [] }, 'paris'],
    ] as const)
      expect(judgeFailover(value, lost, false, NOW, POLICY_RULES)).toEqual({ kind: 'wait' });
  });

  it('does it once an hour at most, and takes a last time that lies ahead for just now', () => {
    const kindAt = (atMs: number) =>
      judgeFailover({ ...REGISTER, lastFailover: { epoch: 4, atMs } }, 'paris', false, NOW, POLICY_RULES).kind;
    const { failoverEveryMsMin } = POLICY_RULES;
    const found = [NOW - failoverEveryMsMin, NOW - failoverEveryMsMin + 1, NOW + 5_000].map(kindAt);
    expect(found).toEqual(['go', 'hindered', 'hindered']);
  });

  it('a site that was just left by itself is no candidate, unless it is the only one', () => {
    const failedOver = { ...REGISTER, lastFailover: { epoch: 4, atMs: NOW - 60_000 } };
    expect(eligible(REGISTER, 'paris', NOW, POLICY_RULES)).toEqual(['quito', 'tokyo']);
    expect(eligible(failedOver, 'paris', NOW, POLICY_RULES)).toEqual(['quito']);
    expect(eligible(failedOver, 'paris', NOW + POLICY_RULES.holdDownMs, POLICY_RULES)).toEqual(['quito', 'tokyo']);
    const two = { ...failedOver, members: REGISTER.members.filter(({ site }) => site !== 'quito') };
    expect(eligible(two, 'paris', NOW, POLICY_RULES)).toEqual(['tokyo']);
  });
});
