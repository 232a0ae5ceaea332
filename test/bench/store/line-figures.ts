/** One point of a line, and what is measured of it. */

/** One point of a line, as `line-point.ts` measures it. */
export type Point = { readonly rows: number; readonly columns: number; readonly segments: number };

export type PointFigures = Point & {
  readonly upsertsPerSecond: number;
  readonly bytesPerRow: number;
  readonly scanMs: number;
  readonly groupMs: number;
  readonly getMicros: number;
  readonly peakMb: number;
};
