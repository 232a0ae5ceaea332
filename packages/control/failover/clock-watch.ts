/**
 * Whether this site's wall clock can be trusted with stamps (protocol rule 18). Pure: `(state, event) → state`, and what
 * is wrong as words. Two tests: it runs beside the monotonic clock, and it is near the median of the sites' clocks, the
 * own one among them, so that no single wrong clock can make another site's look wrong.
 */

export type ClockRules = {
  /** How far it may be from the median of all sites' clocks; exactly this much is fine. */
  readonly offsetMsMax: number;
  /** How far it may move against the monotonic clock within `windowMs`. */
  readonly jumpMsMax: number;
  readonly windowMs: number;
  /** After a jump, with no other site to ask: as long as it must have run evenly. */
  readonly evenMs: number;
  /** A peer's time counts for so long. */
  readonly sampleMsMax: number;
  /** After its start a site waits at most so long for two others to tell it the time. */
  readonly toldMsMax: number;
};

/** Limits that run: 500 ms off the sites' median is wrong; a jump of 1 s with nobody to ask is distrusted for 30 s. */
export const CLOCK_RULES: ClockRules = {
  offsetMsMax: 500,
  jumpMsMax: 1_000,
  windowMs: 10_000,
  evenMs: 30_000,
  sampleMsMax: 10_000,
  toldMsMax: 3_000,
};

/** A peer's clock minus the own, as far as one answer tells: within half of the time the answer took. */
type Sample = { readonly offsetMs: number; readonly errorMs: number; readonly atMs: number };

/** What was seen of the own clock and of the others', enough to judge by. */
export type ClockState = {
  /** Wall minus monotonic clock, over the last `windowMs`, oldest first. */
  readonly drifts: readonly { readonly driftMs: number; readonly atMs: number }[];
  readonly jump: { readonly byMs: number; readonly atMs: number } | null;
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
};

/** The fold's beginning: no clock was seen yet. */
export const NO_CLOCK: ClockState = { drifts: [], jump: null, samples: {} };

type ClockEvent =
  | { readonly kind: 'tick'; readonly wallMs: number; readonly nowMs: number }
  /** A peer's answer told its time: `wallMs` and `nowMs` are the own clocks when it arrived, `tookMs` after it was asked for. */
  | {
      readonly kind: 'told';
      readonly site: string;
      readonly timeMs: number;
      readonly tookMs: number;
      readonly wallMs: number;
      readonly nowMs: number;
    };

const SAMPLES_KEPT = 8;
/** So many drifts are kept at most: one for each tick of a second or so. */
const DRIFTS_KEPT = 100;

/** Takes a tick, or another site's time with the round trip it took; half the round trip is the error of a sample. */
export function stepClock(state: ClockState, event: ClockEvent, rules: ClockRules = CLOCK_RULES): ClockState {
  const { nowMs, wallMs } = event;
  const drifted = watchDrift(state, wallMs - nowMs, nowMs, rules);
  if (event.kind === 'tick') return drifted;
  const { site, timeMs, tookMs } = event;
  const sample = { offsetMs: timeMs + tookMs / 2 - wallMs, errorMs: tookMs / 2, atMs: nowMs };
  const kept = [...(drifted.samples[site] ?? []), sample].slice(-SAMPLES_KEPT);
  return { ...drifted, samples: { ...drifted.samples, [site]: kept } };
}

function watchDrift(state: ClockState, driftMs: number, nowMs: number, rules: ClockRules): ClockState {
  const within = state.drifts.filter(({ atMs }) => nowMs - atMs <= rules.windowMs);
  // A process that stood still for longer has the last one from before.
  const recent = within.length > 0 ? within : state.drifts.slice(-1);
  const oldest = recent.reduce<number | null>(
    (most, one) => (most === null || Math.abs(driftMs - one.driftMs) > Math.abs(driftMs - most) ? one.driftMs : most),
    null,
  );
  const byMs = oldest === null ? 0 : driftMs - oldest;
  if (Math.abs(byMs) > rules.jumpMsMax) {
    // What peers said before was measured with another clock.
    return { drifts: [{ driftMs, atMs: nowMs }], jump: { byMs, atMs: nowMs }, samples: {} };
  }
  const last = recent.at(-1);
  const isNews = last === undefined || last.driftMs !== driftMs || nowMs - last.atMs > rules.windowMs / 2;
  return { ...state, drifts: isNews ? [...recent, { driftMs, atMs: nowMs }].slice(-DRIFTS_KEPT) : recent };
}

/** What is wrong with this site's clock, in words; null: nothing that can be seen. */
export function clockTrouble(state: ClockState, nowMs: number, rules: ClockRules = CLOCK_RULES): string | null {
  const median = medianOf(state, nowMs, rules);
  if (median !== null && Math.abs(median.offsetMs) - median.errorMs > rules.offsetMsMax) {
    const { offsetMs } = median;
    const side = offsetMs > 0 ? 'behind' : 'ahead of';
    return `its clock is ${Math.round(Math.abs(offsetMs))} ms ${side} the median of ${median.peers + 1} sites, at most ${rules.offsetMsMax}`;
  }
  const { jump } = state;
  // Other sites vouch for where it jumped to; without them it has to show that it stays there.
  if (jump === null || median !== null || nowMs - jump.atMs > rules.evenMs) return null;
  const way = jump.byMs > 0 ? 'forward' : 'back';
  return `its clock jumped ${way} by ${Math.round(Math.abs(jump.byMs))} ms, and no two other sites can be asked for the time`;
}

/** The same in a few words, for a status: `clock 60 s behind`; null: nothing that can be seen. */
export function clockInWords(state: ClockState, nowMs: number, rules: ClockRules = CLOCK_RULES): string | null {
  if (clockTrouble(state, nowMs, rules) === null) return null;
  const median = medianOf(state, nowMs, rules);
  // One that jumped forward is ahead of where it was; the median is what the own one lacks.
  const aheadMs = median === null ? (state.jump?.byMs ?? 0) : -median.offsetMs;
  const seconds = Math.abs(aheadMs) / 1_000;
  return `clock ${seconds.toFixed(seconds < 10 ? 1 : 0)} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
}

/**
 * Why the clock is not one to begin a term with, in words; null: it may be. Beside what is wrong with it that is one which
 * was wrong from the start and seems even: until two of the others told theirs, or did not within `toldMsMax`.
 *
 * @param others how many other sites there are
 * @param upMs how long they have been asked
 */
export function clockDoubt(
  state: ClockState,
  nowMs: number,
  others: number,
  upMs: number,
  rules: ClockRules = CLOCK_RULES,
): string | null {
  const trouble = clockTrouble(state, nowMs, rules);
  if (trouble !== null || others < 2 || upMs > rules.toldMsMax) return trouble;
  return medianOf(state, nowMs, rules) === null ? 'no two other sites have told it the time yet' : null;
}

/** How the own clock stands to the median of all sites'; null while fewer than two others were heard. */
export function medianOf(
  state: ClockState,
  nowMs: number,
  rules: ClockRules = CLOCK_RULES,
): { readonly offsetMs: number; readonly errorMs: number; readonly peers: number } | null {
  const best = Object.values(state.samples).flatMap((samples) => {
    const fresh = samples.filter(({ atMs }) => nowMs - atMs <= rules.sampleMsMax);
    return fresh.length === 0 ? [] : [fresh.reduce((a, b) => (b.errorMs < a.errorMs ? b : a))];
  });
  if (best.length < 2) return null;
  const sorted = [...best, { offsetMs: 0, errorMs: 0, atMs: nowMs }].sort((a, b) => a.offsetMs - b.offsetMs);
  // Of an even number the one in the middle that is nearer: nobody is blamed by half a majority.
  const middle = [sorted[Math.floor((sorted.length - 1) / 2)]!, sorted[Math.floor(sorted.length / 2)]!];
  const { offsetMs, errorMs } = middle.reduce((a, b) => (Math.abs(b.offsetMs) < Math.abs(a.offsetMs) ? b : a));
  return { offsetMs, errorMs, peers: best.length };
}
