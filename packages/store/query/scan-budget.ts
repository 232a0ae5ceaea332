/** Memory that scans hold beyond a block: groups, their different values, rows that are to be ordered. */

import { Fault } from '@tidemark/platform/fault';

const MIB = 1024 * 1024;
/** What one scan may hold, where nobody says. */
export const SCAN_BYTES_MAX = 384 * MIB;
/** What all scans of a process may hold together, likewise. */
export const SCANS_BYTES_MAX = 768 * MIB;

let all = 0;
let [oneMax, allMax] = [SCAN_BYTES_MAX, SCANS_BYTES_MAX];

/** From now on all scans of the process may hold so much together, and each half of it. */
export function limitScans(bytesMax: number): void {
  [oneMax, allMax] = [bytesMax / 2, bytesMax];
}

/** What all scans of the process hold now, estimated. */
export function scansHold(): number {
  return all;
}

/** What one scan holds, counted into what all scans of the process hold; disposing it gives that back. */
export class ScanBudget implements Disposable {
  #held = 0;

  /**
   * Says how much is held now, estimated.
   * @throws {Fault} `invalid`: more than one scan may. `unavailable`: others hold too much; it may be asked again.
   */
  hold(bytes: number, what: string): void {
    all += bytes - this.#held;
    this.#held = bytes;
    if (bytes > oneMax) {
      const [got, expected] = [bytes, oneMax].map((one) => `${Math.round(one / MIB)} MiB`);
      const message = `the scan holds ${got} of ${what}, a scan may hold ${expected}; ask for less at once`;
      throw new Fault('invalid', message, { got, expected });
    }
    if (all > allMax) {
      const message = `scans hold ${Math.round(all / MIB)} MiB, all together may hold ${Math.round(allMax / MIB)} MiB`;
      throw new Fault('unavailable', message, { retryAfterMs: 2_000 });
    }
  }

  [Symbol.dispose](): void {
    all -= this.#held;
    this.#held = 0;
  }
}

/** A group, and one aggregate of it. */
export const GROUP_BYTES = 120;
/** What an aggregate holds for each group, estimated. */
export const AGGREGATE_BYTES = 32;
/** A row that waits to be ordered, and each of its values. */
export const ROW_BYTES = 160;
/** What each value of a row that waits to be ordered costs, estimated. */
export const VALUE_BYTES = 24;
/** One of the different values that an aggregate holds. */
export const DISTINCT_BYTES = 80;
/** A copy of some bytes, beside the bytes themselves. */
export const BYTES_BYTES = 96;
