/**
 * Whether a copy may be believed to hold all it ever promised. A copy that was put back to an older state looks whole,
 * and nothing in it tells; so a process that starts does not trust its copies by their own word. Pure.
 *
 * What a process promised since it read the register is bound to what it keeps in memory: a topic that goes back under a
 * running process is noticed (`Tail`). So only a term that had begun before is in doubt, the newest one then: the
 * earlier ones are closed, and their epoch ends are checked chain by chain. For that term others have to vouch:
 * - its writer, which remembers what it counted of this copy, or
 * - a site that was in touch with the process before this one until just now, and remembers where its copies ended.
 */

import { comparePositions, type Position } from '@tidemark/model/position';
import { newestTerm, type RegisterValue } from './register-value.ts';

/** What stood in the register when a process first read it from a quorum. */
export type Birth = {
  /** The newest term's; 0 for none. */
  readonly epoch: number;
  /** Below this nothing is promised: fences of an election that closes those terms may have stood in what is gone. */
  readonly fencedBelow: number;
};

/**
 * What a process that starts now knows of the register: the newest epoch, and below which epoch everything is or is
 * being fenced.
 */
export function birthOf(value: RegisterValue): Birth {
  const epoch = newestTerm(value)?.epoch ?? 0;
  return { epoch, fencedBelow: value.election?.epoch ?? epoch };
}

/** True when all that this site promised in the term was promised by this very process. */
export function livedThrough(birth: Birth | null, epoch: number): boolean {
  return birth !== null && epoch > birth.epoch;
}

/** Where a site's copy of the newest term's origin ended, as the site told it. */
export type CopyEnds = {
  readonly keyspace: string;
  readonly origin: string;
  readonly logId: string;
  /** By partition: the last accepted record. */
  readonly ends: readonly Position[];
};

/** Where a site's control topic ended, and the identity of its acceptor. */
export type ControlEnd = { readonly acceptor: string; readonly end: number };

/** What a process says of all that it would be missed for. */
export type Ends = { readonly control: ControlEnd | null; readonly copies: readonly CopyEnds[] };

/** A site that went without being heard for longer than this between two processes may have done anything meanwhile. */
export const FRESH_MS = 3_000;

/**
 * What somebody else's memory says of a copy as it is now.
 * - `beyond`: it held more once: it was put back to an older state, or lost its end
 * - `vouched`: it holds all it was last heard to hold, just before the process that holds it began
 * - `unknown`: nothing follows
 *
 * @param gapMs between the last word of the process before and the first of this one; null: not known
 */
export function judgeCopy(remembered: CopyEnds, now: CopyEnds, gapMs: number | null): 'beyond' | 'vouched' | 'unknown' {
  if (remembered.origin !== now.origin || remembered.logId !== now.logId || now.logId === '') return 'unknown';
  const isBeyond = remembered.ends.some((at, partition) => isBefore(now.ends[partition], at));
  if (isBeyond) return 'beyond';
  return gapMs !== null && gapMs <= FRESH_MS ? 'vouched' : 'unknown';
}

/** How a site's memory is named as what vouches for a copy. */
export function memoryOf(site: string): string {
  return `the memory of ${site}`;
}

/**
 * True when what vouches for a copy has only heard of it: what was acked after the last word, less than `FRESH_MS` before
 * the process ended, is beyond it.
 */
export function isHearsay(vouched: string | null): boolean {
  return vouched?.startsWith(memoryOf('')) === true;
}

function isBefore(at: Position | undefined, other: Position): boolean {
  return at === undefined ? other.seq >= 0 : comparePositions(at, other) < 0;
}

/** What is known of a site's processes: of the one that was heard last, and of all before it together. */
export type Remembered = {
  readonly process: string;
  /** On the clock of whoever remembers; null: in an earlier life of his. */
  readonly heardMs: number | null;
  readonly ends: Ends;
  /** Null: there was none. `gapMs`: as in `judgeCopy`. */
  readonly before: { readonly gapMs: number | null; readonly ends: Ends } | null;
};

/** A memory with one more word of a site. `ends` null: only that this process is there. */
export function hear(known: Remembered | null, process: string, ends: Ends | null, nowMs: number): Remembered {
  if (known === null) return { process, heardMs: nowMs, ends: ends ?? NO_ENDS, before: null };
  if (known.process === process) {
    return { ...known, heardMs: nowMs, ends: ends === null ? known.ends : joinEnds(known.ends, ends) };
  }
  const gapMs = known.heardMs === null ? null : nowMs - known.heardMs;
  const before = { gapMs, ends: known.before === null ? known.ends : joinEnds(known.before.ends, known.ends) };
  return { process, heardMs: nowMs, ends: ends ?? NO_ENDS, before };
}

const NO_ENDS: Ends = { control: null, copies: [] };

/** Where ends of one thing are told twice the further one counts; of another thing under its name only the newer. */
export function joinEnds(before: Ends, after: Ends): Ends {
  const untold = before.copies.filter(({ keyspace }) => after.copies.every((one) => one.keyspace !== keyspace));
  return {
    control: joinControl(before.control, after.control),
    copies: [
      ...untold,
      ...after.copies.map((copy) =>
        joinCopy(
          before.copies.find((one) => one.keyspace === copy.keyspace),
          copy,
        ),
      ),
    ],
  };
}

function joinControl(before: ControlEnd | null, after: ControlEnd | null): ControlEnd | null {
  if (after === null || before?.acceptor !== after.acceptor) return after ?? before;
  return { acceptor: after.acceptor, end: Math.max(before.end, after.end) };
}

function joinCopy(before: CopyEnds | undefined, after: CopyEnds): CopyEnds {
  if (before === undefined || before.origin !== after.origin || before.logId !== after.logId) return after;
  const ends = after.ends.map((at, partition) => {
    const known = before.ends[partition];
    return known !== undefined && comparePositions(known, at) > 0 ? known : at;
  });
  return { ...after, ends };
}
