import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  healthVoteOf,
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

function healthVoteAt(state: SuspicionState, nowMs: number) {
  return healthVoteOf('tokyo', stepSuspicion(state, { kind: 'tick', heldUpMs: 0, nowMs }, RULES).state, nowMs, RULES);
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
  let state = run([{ kind: 'term', epoch: 3, hasCopy, nowMs: 0 }, HEARD]);
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
          const { suspects } = healthVoteOf('tokyo', state, nowMs, RULES);
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
          const { suspects, sinceMs } = healthVoteOf('tokyo', state, nowMs, RULES);
          if (!suspects) since = null;
          else since ??= nowMs;
          expect(sinceMs).toBeGreaterThanOrEqual(since === null ? 0 : nowMs - since);
          expect(sinceMs).toBeLessThanOrEqual(since === null ? 0 : nowMs - since + tickEveryMs);
        });
      }),
    );
  });

  it('exactly the limit of silence is still alive', () => {
    const state = run([{ kind: 'term', epoch: 1, hasCopy: false, nowMs: 0 }, HEARD, { kind: 'asked', nowMs: 0 }]);
    const ticked = (nowMs: number) => {
      let now = state;
      for (let at = 0; at <= nowMs; at += tickEveryMs) now = run([{ kind: 'tick', heldUpMs: 0, nowMs: at }], now);
      return healthVoteOf('tokyo', now, nowMs, RULES).suspects;
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
        if (nowMs < 20_000) expect(healthVoteOf('tokyo', state, nowMs, RULES).suspects).toBe(false);
      });
    }
  });

  it('barriers of another epoch are no sign of this primary', () => {
    let state = run([{ kind: 'term', epoch: 3, hasCopy: true, nowMs: 0 }, HEARD]);
    for (let nowMs = 0; nowMs <= 4_000; nowMs += tickEveryMs)
      state = run(
        [
          { kind: 'asked', nowMs },
          { kind: 'barrier', epoch: 2, nowMs },
          { kind: 'tick', heldUpMs: 0, nowMs },
        ],
        state,
      );
    expect(healthVoteAt(state, 4_000).suspects).toBe(true);
  });

  it('whoever was held up or stopped abstains, and then has to hear silence anew', () => {
    fc.assert(
      fc.property(fc.integer({ min: RULES.heldUpMsMax + 1, max: 600_000 }), fc.boolean(), (ms, measured) => {
        const alive = run([
          { kind: 'term', epoch: 1, hasCopy: true, nowMs: 0 },
          { kind: 'asked', nowMs: 0 },
          { kind: 'answered', nowMs: 1 },
          { kind: 'asked', nowMs: tickEveryMs },
          { kind: 'tick', heldUpMs: 0, nowMs: tickEveryMs },
        ]);
        const wokeMs = 2 * tickEveryMs + (measured ? 0 : ms);
        let state = run([{ kind: 'tick', heldUpMs: measured ? ms : 0, nowMs: wokeMs }], alive);
        expect(healthVoteOf('tokyo', state, wokeMs, RULES).abstains).toMatch(/held up for/);
        for (let after = 0; after <= suspectAfterMs; after += tickEveryMs) {
          state = run([{ kind: 'tick', heldUpMs: 0, nowMs: wokeMs + after }], state);
          expect(healthVoteOf('tokyo', state, wokeMs + after, RULES).suspects).toBe(false);
        }
        const later = wokeMs + suspectAfterMs + 1;
        state = run([{ kind: 'tick', heldUpMs: 0, nowMs: later }], state);
        expect(healthVoteOf('tokyo', state, later, RULES)).toMatchObject({
          suspects: true,
          abstains: null,
          sinceMs: 1,
        });
      }),
    );
  });

  it('a primary that was never heard since this process started is given longer, in its first term and in later ones', () => {
    const { startGraceMs } = RULES;
    let state = run([{ kind: 'term', epoch: 1, hasCopy: true, nowMs: 0 }]);
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
    state = run([HEARD, { kind: 'term', epoch: 2, hasCopy: true, nowMs: 20_000 }], state);
    until(20_000 + suspectAfterMs + tickEveryMs, 20_000);
    expect(state.suspects).toBe(true);
  });

  it('half the silence is enough where every probe is turned away, and no more than is heard; one that is lost takes it back', () => {
    const probe = fc.constantFrom('turned away', 'lost', 'none');
    fc.assert(
      fc.property(fc.array(probe, { maxLength: 24 }), fc.nat(2_000), (probes, quietMs) => {
        let state = run([{ kind: 'term', epoch: 1, hasCopy: true, nowMs: 0 }, HEARD]);
        let awayMs: number | null = null;
        probes.forEach((ended, i) => {
          const nowMs = quietMs + i * tickEveryMs;
          const isTurnedAway = ended === 'turned away';
          const events: SuspicionEvent[] = [{ kind: 'asked', nowMs }];
          if (ended !== 'none') events.push({ kind: 'unanswered', isTurnedAway, nowMs });
          if (ended !== 'none') awayMs = isTurnedAway ? (awayMs ?? nowMs) : null;
          // Ticks come while nobody asks too: it was not held up.
          for (let at = state.tickMs; at < nowMs; at += tickEveryMs)
            events.unshift({ kind: 'tick', heldUpMs: 0, nowMs: at });
          state = run([...events, { kind: 'tick', heldUpMs: 0, nowMs }], state);
          const silentMs = nowMs - quietMs;
          const isGone = awayMs !== null && nowMs - awayMs > 500 && silentMs > 1_250;
          const { suspects, abstains } = healthVoteOf('tokyo', state, nowMs, RULES);
          if (abstains === null) expect(suspects).toBe(isGone || silentMs > suspectAfterMs);
        });
      }),
    );
  });

  it('a primary that is turned away at its door and still writes is heard', () => {
    let state = run([{ kind: 'term', epoch: 1, hasCopy: true, nowMs: 0 }, HEARD]);
    for (let nowMs = 0; nowMs <= 20_000; nowMs += tickEveryMs) {
      const barrier: SuspicionEvent[] = nowMs % 500 === 0 ? [{ kind: 'barrier', epoch: 1, nowMs }] : [];
      const asked: SuspicionEvent[] = [
        { kind: 'asked', nowMs },
        { kind: 'unanswered', isTurnedAway: true, nowMs },
      ];
      state = run([...asked, ...barrier, { kind: 'tick', heldUpMs: 0, nowMs }], state);
      expect(state.suspects).toBe(false);
    }
  });

  it('a new term is heard out from its beginning', () => {
    const long = run([{ kind: 'term', epoch: 1, hasCopy: true, nowMs: 0 }, HEARD, { kind: 'asked', nowMs: 0 }]);
    let state = long;
    for (let nowMs = 0; nowMs <= 9_000; nowMs += tickEveryMs)
      state = run([{ kind: 'tick', heldUpMs: 0, nowMs }], state);
    expect(healthVoteAt(state, 9_000).suspects).toBe(true);
    state = run(
      [
        { kind: 'term', epoch: 2, hasCopy: true, nowMs: 9_000 },
        { kind: 'asked', nowMs: 9_000 },
      ],
      state,
    );
    expect(healthVoteAt(state, 9_250).suspects).toBe(false);
  });
});
