/**
 * The value that `share` of all do not exceed, by nearest rank: of 30 runs the 99th percentile is the slowest one.
 * Null when there is none.
 */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length, Math.max(1, Math.ceil(sorted.length * share))) - 1] ?? null;
}
