import { SeededRandom } from '@tidemark/platform/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RegisterValue } from '../consensus/register-value.ts';
import { REGISTER } from '../testing/sample-register.ts';
import { AGREEMENT_RULES, agreementOf, mayAct } from './agreement.ts';
import {
  healthVoteOf,
  SUSPICION_RULES,
  type SuspicionEvent,
  type SuspicionState,
  startSuspicion,
  stepSuspicion,
} from './suspicion.ts';

const RULES = SUSPICION_RULES;

function run(events: readonly SuspicionEvent[], from: SuspicionState = startSuspicion(0)): SuspicionState {
  return events.reduce((state, event) => stepSuspicion(state, event, RULES).state, from);
}

const SITES = ['paris', 'quito', 'tokyo'];
const VALUE: RegisterValue = {
  ...REGISTER,
  nextEpoch: 4,
  terms: [{ epoch: 3, site: 'paris', writerId: 'w', epochEnds: null }],
};
const signs = { dataMs: 4_000, probeMs: 4_000, beatMs: null };
const healthVotes = fc.array(
  fc.record({
    site: fc.constantFrom('quito', 'tokyo', 'quito', 'tokyo', 'paris', 'nowhere'),
    epoch: fc.constantFrom(3, 3, 3, 2),
    suspects: fc.constantFrom(true, true, true, false),
    sinceMs: fc.constantFrom(0, 999, 1_000, 1_500, 2_999, 3_000, 9_000),
    signs: fc.constant(signs),
    abstains: fc.constantFrom(null, null, 'held up'),
  }),
  { maxLength: 5 },
);

describe('agreement', () => {
  it('nobody acts without a majority of the register that has suspected this very term for the whole time', () => {
    fc.assert(
      fc.property(healthVotes, (all) => {
        const agreement = agreementOf(VALUE, all, AGREEMENT_RULES);
        const first = new Map(all.toReversed().map((one) => [one.site, one]));
        const sure = [...first.values()].filter(
          (one) =>
            SITES.includes(one.site) &&
            one.site !== 'paris' &&
            one.epoch === 3 &&
            one.suspects &&
            one.abstains === null &&
            one.sinceMs >= AGREEMENT_RULES.suspicionStableMs,
        );
        expect(agreement.turn !== null).toBe(sure.length >= 2 && !first.has('paris'));
        for (const site of [...SITES, 'nowhere'])
          if (mayAct(agreement, site)) expect(agreement.suspecting).toContain(site);
      }),
      { numRuns: 500 },
    );
  });

  it('the first in the order acts first, the others only where it did not for a while', () => {
    const at = (sinceMs: number) => {
      const all = ['quito', 'tokyo'].map((site) => ({
        site,
        epoch: 3,
        suspects: true,
        sinceMs,
        signs,
        abstains: null,
      }));
      const agreement = agreementOf(VALUE, all, AGREEMENT_RULES);
      return SITES.filter((site) => mayAct(agreement, site));
    };
    expect([at(999), at(1_000), at(2_999), at(3_000)]).toEqual([[], ['quito'], ['quito'], ['quito', 'tokyo']]);
  });

  it('of two sites without a witness the one that is left is no majority, and says so', () => {
    const two = { ...VALUE, members: VALUE.members.slice(0, 2) };
    const mine = { site: 'quito', epoch: 3, suspects: true, sinceMs: 90_000, signs, abstains: null };
    expect(agreementOf(two, [mine], AGREEMENT_RULES)).toMatchObject({ isHopeless: true, turn: null });
    const watched = { ...two, witnesses: ['vienna'] };
    const theirs = { ...mine, site: 'vienna' };
    const agreement = agreementOf(watched, [mine, theirs], AGREEMENT_RULES);
    expect([agreement.isHopeless, mayAct(agreement, 'quito')]).toEqual([false, true]);
  });
});

describe('cuts and kills, by the rules alone', () => {
  /** Three sites that ask each other every tick, with one-way delays; the primary is cut off or killed at 20 s. */
  function nominatedAfterMs(seed: number, cutMs: number): number | null {
    const random = new SeededRandom(seed);
    const delay = () => 5 + random.fraction() * 120;
    const CUT_AT = 20_000;
    const isThrough = (atMs: number) => atMs < CUT_AT || atMs >= CUT_AT + cutMs;
    const watchers = ['quito', 'tokyo'].map((site) => ({
      site,
      phase: random.fraction() * 250,
      state: run([{ kind: 'term', epoch: 3, hasCopy: true, nowMs: 0 }]),
    }));
    type At = { nowMs: number; take: () => void };
    const events: At[] = [];
    const push = (nowMs: number, take: () => void) => events.push({ nowMs, take });
    const endMs = CUT_AT + Math.min(cutMs, 20_000) + 5_000;
    let nominated: number | null = null;
    for (const watcher of watchers) {
      const feed = (event: SuspicionEvent) => push(event.nowMs, () => (watcher.state = run([event], watcher.state)));
      for (let t = random.fraction() * 1_000; t < endMs; t += 1_000)
        if (isThrough(t)) feed({ kind: 'barrier', epoch: 3, nowMs: t + delay() });
      for (let t = random.fraction() * 500; t < endMs; t += 500) {
        if (isThrough(t)) feed({ kind: 'beat', nowMs: t + delay() + random.fraction() * 250 });
      }
      for (let t = watcher.phase; t < endMs; t += RULES.tickEveryMs) {
        feed({ kind: 'asked', nowMs: t });
        const answered = t + delay() + delay();
        if (isThrough(t) && isThrough(answered)) feed({ kind: 'answered', nowMs: answered });
        feed({ kind: 'tick', heldUpMs: 0, nowMs: t });
        push(t, () => {
          const all = watchers.map(({ site, state }) =>
            healthVoteOf(site, run([{ kind: 'tick', heldUpMs: 0, nowMs: t }], state), t, RULES),
          );
          if (mayAct(agreementOf(VALUE, all, AGREEMENT_RULES), watcher.site)) nominated ??= t - CUT_AT;
        });
      }
    }
    events.sort((a, b) => a.nowMs - b.nowMs);
    for (const { take } of events) take();
    return nominated;
  }

  it('a cut of up to 3 s nominates nobody, and a site that stays away is given up within 5 s', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 3_000 }), (seed, cutMs) => {
        expect(nominatedAfterMs(seed, cutMs)).toBeNull();
        const killedMs = nominatedAfterMs(seed, 1e9);
        expect(killedMs).toBeGreaterThan(3_000);
        expect(killedMs).toBeLessThanOrEqual(5_000);
      }),
      { numRuns: Number(process.env.SUSPICION_RUNS ?? 60) },
    );
  });
});
