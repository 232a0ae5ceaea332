/** What the demo ends with, and when it counts as passed. Pure. */

/** What one run of the demo found; the line of JSON it ends with. Times in ms, null for what did not happen. */
export type DemoReport = {
  readonly engine: string;
  readonly sites: readonly string[];
  readonly ack: string;
  readonly rowsOffered: number;
  readonly rowsAcked: number;
  readonly rowsUnknown: number;
  readonly lagMs: { readonly p50: number; readonly p99: number };
  readonly failover: {
    readonly from: string;
    readonly to: string | null;
    readonly epoch: number | null;
    readonly detectedMs: number | null;
    readonly promotedMs: number;
    readonly writesBackMs: number | null;
  };
  readonly ackedRowsMissing: number;
  readonly ackedRowsWrong: number;
  readonly returned: {
    readonly site: string;
    readonly divergentRecords: number;
    readonly exported: number;
    readonly caughtUpMs: number;
  };
  readonly digestsEqual: boolean;
  readonly replay: { readonly records: number; readonly rows: number; readonly equal: boolean };
  readonly durationMs: number;
};

/** True when another site took over, nothing acked is missing or wrong and everything that had to be equal is. */
export function isSound(report: DemoReport): boolean {
  const { ackedRowsMissing, ackedRowsWrong, digestsEqual, replay, rowsAcked, failover } = report;
  const isWhole = rowsAcked > 0 && ackedRowsMissing === 0 && ackedRowsWrong === 0;
  return isWhole && failover.writesBackMs !== null && digestsEqual && replay.equal;
}
