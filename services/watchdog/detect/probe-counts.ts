/** How many probes of each site got no answer, of the last ten minutes. */

const SLICE_MS = 60_000;
const SLICES = 10;

type Slice = { readonly number: number; asked: number; failed: number };

/** Probes asked and failed by site, in slices of time, so that old ones fall away. */
export class ProbeCounts {
  readonly #slices = new Map<string, Slice[]>();

  /** @param nowMs monotonic */
  count(site: string, answered: boolean, nowMs: number): void {
    const number = Math.floor(nowMs / SLICE_MS);
    const slices = (this.#slices.get(site) ?? []).filter((slice) => slice.number > number - SLICES);
    let slice = slices.at(-1);
    if (slice?.number !== number) {
      slice = { number, asked: 0, failed: 0 };
      slices.push(slice);
    }
    slice.asked++;
    if (!answered) slice.failed++;
    this.#slices.set(site, slices);
  }

  /** Share of the probes without an answer, 0 to 1; null when none was asked. */
  failing(site: string): number | null {
    const slices = this.#slices.get(site) ?? [];
    const asked = slices.reduce((sum, slice) => sum + slice.asked, 0);
    return asked === 0 ? null : slices.reduce((sum, slice) => sum + slice.failed, 0) / asked;
  }
}
