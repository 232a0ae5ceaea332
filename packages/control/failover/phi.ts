/**
 * Phi accrual (Hayashibara et al., "The φ Accrual Failure Detector", 2004): how surprising a silence is, given how
 * regularly somebody was heard before. Phi 1 is wrong one time in ten, phi 8 one time in a hundred million. For the
 * processes of one site, whose beats come on a quiet path: between sites an epoch end is no rarity, and fixed limits hold.
 */

export type PhiState = {
  /** When it was last heard, on the listener's monotonic clock; null before. */
  readonly heardMs: number | null;
  /** The newest intervals between beats, ms, newest last. */
  readonly intervalsMs: readonly number[];
};

/** The state before the first sign of life. */
export const NOT_HEARD: PhiState = { heardMs: null, intervalsMs: [] };

const INTERVALS_KEPT = 100;
/** Fewer say nothing about how regular it is. */
const INTERVALS_MIN = 3;
/** However regular it was: a beat may be late by a garbage collection or a busy disk. */
const DEVIATION_MS_MIN = 200;
const PHI_MAX = 300;

/** The state after a sign of life at `nowMs` of the own monotonic clock; only the newest intervals are kept. */
export function hear(state: PhiState, nowMs: number): PhiState {
  const intervalsMs =
    state.heardMs === null ? [] : [...state.intervalsMs, nowMs - state.heardMs].slice(-INTERVALS_KEPT);
  return { heardMs: nowMs, intervalsMs };
}

/**
 * −log10 of the chance that a beat comes later than now, the intervals being normally distributed.
 * Law: it never falls while nothing is heard.
 * @returns null while it was not heard often enough to tell; at most 300
 */
export function phiOf({ heardMs, intervalsMs }: PhiState, nowMs: number): number | null {
  if (heardMs === null || intervalsMs.length < INTERVALS_MIN) return null;
  const meanMs = intervalsMs.reduce((sum, ms) => sum + ms, 0) / intervalsMs.length;
  const variance = intervalsMs.reduce((sum, ms) => sum + (ms - meanMs) ** 2, 0) / intervalsMs.length;
  const deviations = (nowMs - heardMs - meanMs) / Math.max(DEVIATION_MS_MIN, Math.sqrt(variance));
  return Math.min(PHI_MAX, -log10Upper(deviations));
}

/**
 * log10 of the share of a normal distribution above `z` deviations. Beyond the middle by the logistic approximation
 * (Bowling et al., 2009; within 0.0002), which unlike the exact integral stays a number for any z.
 */
function log10Upper(z: number): number {
  const exponent = z * (1.5976 + 0.070566 * z * z);
  return exponent > 40 ? -exponent / Math.LN10 : -Math.log10(1 + Math.exp(exponent));
}
