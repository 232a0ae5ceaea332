/**
 * The three models of the source paper as pure functions with units, and what they are fed with here. They predict; the
 * measured figure beside each says what really happened.
 */

/** Replication delay T = Ts + Td, all in ms: from the write until it is stored at the other site, and on until applied there. */
export function replicationDelayMs(storedMs: number, appliedMs: number): number {
  return storedMs + appliedMs;
}

/**
 * Loss probability P = 1 − (1 − Pf)^n: that at least one of n independent things, each with the chance `failing`, fails.
 * Law: 0 at n = 0, never falls with n or Pf, stays within [0, 1].
 * @param failing Pf, 0 to 1
 * @param count n, at least 0
 */
export function lossProbability(failing: number, count: number): number {
  // 1 − (1 − Pf)^n loses all digits for small Pf.
  return failing >= 1 ? (count > 0 ? 1 : 0) : -Math.expm1(count * Math.log1p(-failing));
}

/**
 * Recovery factor R = 1 / (1 + e^(−(Tr − Tf) / Ta)): towards 1 when a failover takes much less time than there is, 1/2 when
 * it takes exactly that, towards 0 beyond.
 * @param allowedMs Tr, the time writes may be away
 * @param failoverMs Tf, how long a failover takes
 * @param scaleMs Ta, above 0: how sharply it matters
 */
export function recoveryFactor(allowedMs: number, failoverMs: number, scaleMs: number): number {
  return 1 / (1 + Math.exp(-(allowedMs - failoverMs) / scaleMs));
}

/** What was measured; null: not yet, or not here. */
export type Measured = {
  /** Age of a barrier when the mirror here had read it, ms. Compares two machines' clocks. */
  readonly storedMs: number | null;
  /** Age of rows when they were applied here, the median of the last minute, ms. */
  readonly appliedAgeMs: number | null;
  /** Share of the probes of the primary's site that got no answer in time, in the last ten minutes: 0 to 1. */
  readonly failing: number | null;
  /** Records of the primary that are not stored here yet. */
  readonly behindRecords: number | null;
  /** How long the last failovers took, from the last sign of life to the new term, ms, newest first. */
  readonly failoversMs: readonly number[];
  /** Rows the last failover lost. */
  readonly lostRows: number | null;
};

/** Before a failover was measured: the silence it waits for, and what an election takes on a quiet system. */
export type Expected = { readonly failoverMs: number };

/** Longest that writes may be away when a primary's site is lost. */
export const WRITES_BACK_MS_MAX = 60_000;

/** Each model's prediction beside the measured figure; null where nothing to go by was measured. */
export type Models = {
  readonly delay: {
    readonly storedMs: number | null;
    readonly appliedMs: number | null;
    readonly totalMs: number | null;
    readonly measuredMs: number | null;
  };
  readonly loss: {
    readonly failing: number | null;
    readonly records: number | null;
    readonly probability: number | null;
    readonly measuredRows: number | null;
  };
  readonly recovery: {
    readonly allowedMs: number;
    readonly failoverMs: number;
    readonly scaleMs: number;
    readonly factor: number;
    readonly measuredMs: number | null;
  };
};

/** The three models for one keyspace, from what was measured and, where nothing was, from what is expected. */
export function modelsOf(measured: Measured, expected: Expected): Models {
  const { storedMs, appliedAgeMs, failing, behindRecords, failoversMs, lostRows } = measured;
  const both = storedMs !== null && appliedAgeMs !== null;
  const appliedMs = both ? Math.max(0, appliedAgeMs - storedMs) : null;
  const failoverMs = failoversMs.length === 0 ? expected.failoverMs : meanOf(failoversMs);
  const scaleMs = Math.max(1, failoverMs);
  return {
    delay: {
      storedMs,
      appliedMs,
      totalMs: both ? replicationDelayMs(storedMs, appliedMs!) : null,
      measuredMs: appliedAgeMs,
    },
    loss: {
      failing,
      records: behindRecords,
      probability: failing === null || behindRecords === null ? null : lossProbability(failing, behindRecords),
      measuredRows: lostRows,
    },
    recovery: {
      allowedMs: WRITES_BACK_MS_MAX,
      failoverMs,
      scaleMs,
      factor: recoveryFactor(WRITES_BACK_MS_MAX, failoverMs, scaleMs),
      measuredMs: failoversMs[0] ?? null,
    },
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
