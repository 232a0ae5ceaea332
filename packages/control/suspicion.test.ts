import { SeededRandom } from '@tidemark/world/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGREEMENT_RULES, agreementOf, mayAct } from './agreement.ts';
import type { RegisterValue } from './register-value.ts';
import { REGISTER } from './sample-register.ts';
import {
  opinionOf,
  SUSPICION_RULES,
  type SuspicionEvent,
  type SuspicionState,
  startSuspicion,
  stepSuspicion,
} from './suspicion.ts';

const RULES = SUSPICION_RULES;
const { suspectAfterMs, tickEveryMs } = RULES;

function run(events: readonly SuspicionEvent[], from: SuspicionState = startSuspicion(0)): SuspicionState {
  return events.reduce((state, event) => stepSuspicion(state, event, RULES).state, from);
}

/** It was alive when all this began. */
const HEARD: SuspicionEvent = { kind: 'answered', nowMs: 0 };

function opinionAt(state: SuspicionState, nowMs: number) {
  return opinionOf('tokyo', stepSuspicion(state, { kind: 'tick', heldUpMs: 0, nowMs }, RULES).state, nowMs, RULES);
}

/** A quarter of an hour at most, in ms, in order; ticks come on time. */
type Heard = 'barrier' | 'beat' | 'answered';
const lives = fc.array(
  fc.record({
    kind: fc.constantFrom<Heard>('barrier', 'beat', 'answered'),
    afterMs: fc.oneof(fc.nat(600), fc.integer({ min: suspectAfterMs - 300, max: suspectAfterMs + 600 })),
  }),
  { maxLength: 30 },
);

/** Plays what is heard, with probes and ticks in between, and shows the state at every tick. */
function live(heard: readonly { kind: Heard; afterMs: number }[], hasCopy: boolean, each: Each): void {
  let state = run([{ kind: 'reign', epoch: 3, hasCopy, nowMs: 0 }, HEARD]);
  const at: { kind: Heard; nowMs: number }[] = [];
  for (const { kind, afterMs } of heard) at.push({ kind, nowMs: (at.at(-1)?.nowMs ?? 0) + afterMs });
  const endMs = (at.at(-1)?.nowMs ?? 0) + 6_000;
  const past: typeof at = [];
  for (let nowMs = 0; nowMs <= endMs; nowMs += tickEveryMs) {
    while (at.length > 0 && at[0]!.nowMs <= nowMs) {
      const { kind, nowMs: heardMs } = at.shift()!;
      past.push({ kind, nowMs: heardMs });
      state = run([kind === 'barrier' ? { kind, epoch: 3, nowMs: heardMs } : { kind, nowMs: heardMs }], state);
    }
    state = run(
      [
        { kind: 'asked', nowMs },
        { kind: 'tick', heldUpMs: 0, nowMs },
      ],
      state,
    );
    each(state, nowMs, past);
  }
}
type Each = (state: SuspicionState, nowMs: number, past: readonly { kind: Heard; nowMs: number }[]) => void;

describe('suspicion', () => {
  it('never suspects while any sign was heard within the limit, and does once all have been silent for longer', () => {
    fc.assert(
      fc.property(lives, fc.boolean(), (heard, hasCopy) => {
        live(heard, hasCopy, (state, nowMs, past) => {
          const counts = past.filter(({ kind }) => hasCopy || kind !== 'barrier');
          const lastMs = Math.max(0, ...counts.map((one) => one.nowMs));
          const { suspects } = opinionOf('tokyo', state, nowMs, RULES);
          if (nowMs - lastMs <= suspectAfterMs) expect(suspects).toBe(false);
          // A probe counts from the first that stays without an answer, which is asked within a tick.
          if (nowMs - lastMs > suspectAfterMs + tickEveryMs) expect(suspects).toBe(true);
        });
      }),
    );
  });

  it('says for how long it has suspected without a break, to the millisecond', () => {
    fc.assert(
      fc.property(lives, fc.boolean(), (heard, hasCopy) => {
        let since: number | null = null;
        live(heard, hasCopy, (state, nowMs) => {
          const { suspects, sinceMs } = opinionOf('tokyo', state, nowMs, RULES);
          if (!suspects) since = null;
          else since ??= nowMs;
          expect(sinceMs).toBeGreaterThanOrEqual(since === null ? 0 : nowMs - since);
          expect(sinceMs).toBeLessThanOrEqual(since === null ? 0 : nowMs - since + tickEveryMs);
        });
      }),
    );
  });

  it('exactly the limit of silence is still alive', () => {
    const state = run([{ kind: 'reign', epoch: 1, hasCopy: false, nowMs: 0 }, HEARD, { kind: 'asked', nowMs: 0 }]);
    const ticked = (nowMs: number) => {
      let now = state;
      for (let at = 0; at <= nowMs; at += tickEveryMs) now = run([{ kind: 'tick', heldUpMs: 0, nowMs: at }], now);
      return opinionOf('tokyo', now, nowMs, RULES).suspects;
    };
    expect([ticked(suspectAfterMs), ticked(suspectAfterMs + 1)]).toEqual([false, true]);
  });

  it('with every board lost, barriers alone or probes alone keep it alive; at a witness the probes alone', () => {
    for (const [hasCopy, kind] of [
      [true, 'barrier'],
      [true, 'answered'],
      [false, 'answered'],
    ] as const) {
      const heard = Array.from({ length: 40 }, () => ({ kind, afterMs: 500 }));
      live(heard, hasCopy, (state, nowMs) => {
        if (nowMs < 20_000) expect(opinionOf('tokyo', state, nowMs, RULES).suspects).toBe(false);
      });
    }
  });

  it('barriers of another epoch are no sign of this primary', () => {
    let state = run([{ kind: 'reign', epoch: 3, hasCopy: true, nowMs: 0 }, HEARD]);
    for (let nowMs = 0; nowMs <= 4_000; nowMs += tickEveryMs)
      state = run(
        [
          { kind: 'asked', nowMs },
          { kind: 'barrier', epoch: 2, nowMs },
          { kind: 'tick', heldUpMs: 0, nowMs },
        ],
        state,
      );
    expect(opinionAt(state, 4_000).suspects).toBe(true);
  });

  it('whoever was held up or stopped abstains, and then has to hear silence anew', () => {
    fc.assert(
      fc.property(fc.integer({ min: RULES.heldUpMsMax + 1, max: 600_000 }), fc.boolean(), (ms, measured) => {
        const alive = run([
          { kind: 'reign', epoch: 1, hasCopy: true, nowMs: 0 },
          { kind: 'asked', nowMs: 0 },
          { kind: 'answered', nowMs: 1 },
          { kind: 'asked', nowMs: tickEveryMs },
          { kind: 'tick', heldUpMs: 0, nowMs: tickEveryMs },
        ]);
        const wokeMs = 2 * tickEveryMs + (measured ? 0 : ms);
        let state = run([{ kind: 'tick', heldUpMs: measured ? ms : 0, nowMs: wokeMs }], alive);
        expect(opinionOf('tokyo', state, wokeMs, RULES).abstains).toMatch(/held up for/);
        for (let after = 0; after <= suspectAfterMs; after += tickEveryMs) {
          state = run([{ kind: 'tick', heldUpMs: 0, nowMs: wokeMs + after }], state);
          expect(opinionOf('tokyo', state, wokeMs + after, RULES).suspects).toBe(false);
        }
        const later = wokeMs + suspectAfterMs + 1;
        state = run([{ kind: 'tick', heldUpMs: 0, nowMs: later }], state);
        expect(opinionOf('tokyo', state, later, RULES)).toMatchObject({ suspects: true, abstains: null, sinceMs: 1 });
      }),
    );
  });

  it('a primary that was never heard since this process started is given longer, in its first reign and in later ones', () => {
    const { startGraceMs } = RULES;
    let state = run([{ kind: 'reign', epoch: 1, hasCopy: true, nowMs: 0 }]);
    const until = (endMs: number, nowMs: number) => {
      for (let at = nowMs; at <= endMs; at += tickEveryMs)
        state = run(
          [
            { kind: 'asked', nowMs: at },
            { kind: 'tick', heldUpMs: 0, nowMs: at },
          ],
          state,
        );
    };
    until(suspectAfterMs + startGraceMs, 0);
    expect(state.suspects).toBe(false);
    until(suspectAfterMs + startGraceMs + tickEveryMs, suspectAfterMs + startGraceMs);
    expect(state.suspects).toBe(true);
    state = run([HEARD, { kind: 'reign', epoch: 2, hasCopy: true, nowMs: 20_000 }], state);
    until(20_000 + suspectAfterMs + tickEveryMs, 20_000);
    expect(state.suspects).toBe(true);
  });

  it('a new reign is heard out from its beginning', () => {
    const long = run([{ kind: 'reign', epoch: 1, hasCopy: true, nowMs: 0 }, HEARD, { kind: 'asked', nowMs: 0 }]);
    let state = long;
    for (let nowMs = 0; nowMs <= 9_000; nowMs += tickEveryMs)
      state = run([{ kind: 'tick', heldUpMs: 0, nowMs }], state);
    expect(opinionAt(state, 9_000).suspects).toBe(true);
    state = run(
      [
        { kind: 'reign', epoch: 2, hasCopy: true, nowMs: 9_000 },
        { kind: 'asked', nowMs: 9_000 },
      ],
      state,
    );
    expect(opinionAt(state, 9_250).suspects).toBe(false);
  });
});

const SITES = ['paris', 'quito', 'tokyo'];
const VALUE: RegisterValue = {
  ...REGISTER,
  nextEpoch: 4,
  reigns: [{ epoch: 3, site: 'paris', writerId: 'w', cuts: null }],
};
const signs = { dataMs: 4_000, probeMs: 4_000, beatMs: null };
const opinions = fc.array(
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
  it('nobody acts without a majority of the register that has suspected this very reign for the whole time', () => {
    fc.assert(
      fc.property(opinions, (all) => {
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
      state: run([{ kind: 'reign', epoch: 3, hasCopy: true, nowMs: 0 }]),
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
      for (let t = watcher.phase; t < endMs; t += tickEveryMs) {
        feed({ kind: 'asked', nowMs: t });
        const answered = t + delay() + delay();
        if (isThrough(t) && isThrough(answered)) feed({ kind: 'answered', nowMs: answered });
        feed({ kind: 'tick', heldUpMs: 0, nowMs: t });
        push(t, () => {
          const all = watchers.map(({ site, state }) =>
            opinionOf(site, run([{ kind: 'tick', heldUpMs: 0, nowMs: t }], state), t, RULES),
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
