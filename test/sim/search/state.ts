/** One moment of the searched world, and the text it is kept as. */

/** A writer process. */
export type WriterState = {
  /** Interned `View`. */
  readonly view: number;
  /** By partition: what it knows to be in its log. */
  readonly written: readonly string[];
  /** By partition: what it has appended and not read back; empty for none. */
  readonly pending: readonly string[];
};

/** What a writer knows of the register. */
export type View = {
  readonly k: number;
  /** A level it may be changing to. */
  readonly joint: number | null;
  /** True: it found everything acked to be held by enough for `joint`. */
  readonly checked: boolean;
  /** By site: identity of the topic whose `durable` counts; −1 for none. */
  readonly listed: readonly number[];
};

export type ElectionState = {
  /** Interned register value as it was after the first compare-and-set. */
  readonly frozen: number;
  /** By site: interned report + 1; 0 before it; negative: read before the fence (rule `after` taken away). */
  readonly reports: readonly number[];
};

/** `WriterState` numbers: its epoch was not begun; it will do nothing more. */
export const NOT_BEGUN = 0;
export const STOPPED = 1;

/** Everything is interned, so that a state is a short text. */
export type State = {
  /** `Copy` at [site][origin][partition]. */
  readonly topics: readonly number[];
  /** Identity of the copies at [site][origin]. */
  readonly identities: readonly number[];
  readonly register: number;
  readonly candidates: readonly ElectionState[];
  /** By epoch: `WriterState`. */
  readonly writers: readonly number[];
  /** By epoch and partition: records that were acked. */
  readonly acked: readonly number[];
  /** Appends under way: character of the topic's place, character of the record. */
  readonly flying: readonly string[];
  /** What a lost copy had told a writer: `[epoch, site, partition, identity, count]`. */
  readonly lines: readonly (readonly number[])[];
  readonly writes: number;
  readonly tails: number;
  readonly wipes: number;
  readonly rollbacks: number;
  /** By site: what its process knows of the time before it. */
  readonly births: readonly Born[];
};

/** `epoch` 0: its process lived through everything. */
export type Born = {
  readonly epoch: number;
  readonly fencedBelow: number;
  /** The writer of that epoch found that the copy holds what it had counted. */
  readonly vouched: boolean;
};

const ZERO = 0x30;
const LINE_NUMBERS = 5;

function digit(value: number): string {
  if (value > 0xff00) throw new RangeError(`${value} has no character: the scope is too large`);
  return String.fromCharCode(ZERO + value);
}

export function textOf(s: State): string {
  let text = digit(s.register) + digit(s.writes) + digit(s.tails) + digit(s.wipes) + digit(s.rollbacks);
  for (const { epoch, fencedBelow, vouched } of s.births) {
    text += digit(epoch) + digit(fencedBelow) + digit(vouched ? 1 : 0);
  }
  for (const topic of s.topics) text += digit(topic);
  for (const identity of s.identities) text += digit(identity);
  for (const writer of s.writers) text += digit(writer);
  for (const acked of s.acked) text += digit(acked);
  text += digit(s.candidates.length);
  for (const { frozen, reports } of s.candidates) {
    text += digit(frozen);
    // A report that does not count yet is negative.
    for (const report of reports) text += digit(Math.abs(report)) + digit(report < 0 ? 1 : 0);
  }
  text += digit(s.flying.length);
  for (const one of s.flying) text += one;
  for (const line of s.lines) for (const number of line) text += digit(number);
  return text;
}

/** The other way round, for a world of this shape. */
export function stateOf(text: string, shape: { sites: number; partitions: number; epochs: number }): State {
  let at = 0;
  const take = (): number => text.charCodeAt(at++) - ZERO;
  const takeAll = (count: number): number[] => {
    const numbers = new Array<number>(count);
    for (let n = 0; n < count; n++) numbers[n] = take();
    return numbers;
  };
  const copies = shape.sites * shape.sites;
  const [register, writes, tails, wipes, rollbacks] = [take(), take(), take(), take(), take()];
  const births = Array.from({ length: shape.sites }, () => {
    return { epoch: take(), fencedBelow: take(), vouched: take() === 1 };
  });
  const topics = takeAll(copies * shape.partitions);
  const identities = takeAll(copies);
  const writers = takeAll(shape.epochs + 1);
  const acked = takeAll((shape.epochs + 1) * shape.partitions);
  const candidates: ElectionState[] = [];
  for (let left = take(); left > 0; left--) {
    const frozen = take();
    const reports = Array.from({ length: shape.sites }, () => take() * (take() === 1 ? -1 : 1));
    candidates.push({ frozen, reports });
  }
  const flying: string[] = [];
  for (let left = take(); left > 0; left--) {
    flying.push(text.slice(at, at + 2));
    at += 2;
  }
  const lines: number[][] = [];
  while (at < text.length) lines.push(takeAll(LINE_NUMBERS));
  return {
    ...{ topics, identities, register, candidates, writers, acked, flying, lines },
    ...{ writes, tails, wipes, rollbacks, births },
  };
}
