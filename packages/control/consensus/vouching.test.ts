import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CopyEnds,
  type Ends,
  FRESH_MS,
  hear,
  joinEnds,
  judgeCopy,
  livedThrough,
  type Remembered,
} from './vouching.ts';

const LOG = 'mirror-1';
const copyAt = (seqs: readonly number[], logId = LOG): CopyEnds => {
  return { keyspace: 'travel', origin: 'paris', logId, ends: seqs.map((seq) => ({ epoch: 1, seq })) };
};
const endsAt = (seqs: readonly number[], control: number): Ends => {
  return { control: { acceptor: 'a', end: control }, copies: [copyAt(seqs)] };
};
/** Often at the limit. */
const gap = fc.oneof(fc.option(fc.nat(2 * FRESH_MS)), fc.constantFrom(FRESH_MS, FRESH_MS + 1));
const seqs = fc.array(fc.integer({ min: -1, max: 9 }), { minLength: 2, maxLength: 2 });

describe('who vouches for a copy', () => {
  it('its own process, of terms that began after it read the register', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.nat(5), (newest, epoch) => {
        expect(livedThrough({ epoch: newest, fencedBelow: newest }, epoch)).toBe(epoch > newest);
        expect(livedThrough(null, epoch)).toBe(false);
      }),
    );
  });

  it('a memory vouches only for what is nowhere below it, and was heard until just before', () => {
    fc.assert(
      fc.property(seqs, seqs, gap, (told, now, gapMs) => {
        const isWhole = told.every((seq, p) => now[p]! >= seq);
        const isFresh = gapMs !== null && gapMs <= FRESH_MS;
        const expected = !isWhole ? 'beyond' : isFresh ? 'vouched' : 'unknown';
        expect(judgeCopy(copyAt(told), copyAt(now), gapMs)).toBe(expected);
      }),
    );
  });

  it('says nothing of a copy that has another identity, which promises nothing of what the first did', () => {
    expect(judgeCopy(copyAt([9, 9]), copyAt([1, 1], 'mirror-1~1'), 0)).toBe('unknown');
    expect(judgeCopy(copyAt([9, 9], ''), copyAt([9, 9], ''), 0)).toBe('unknown');
  });
});

describe('what is remembered of a site', () => {
  it('a partition that its copy has no more held something, or nothing', () => {
    expect(judgeCopy(copyAt([3, 0]), copyAt([3]), 0)).toBe('beyond');
    expect(judgeCopy(copyAt([3, -1]), copyAt([3]), 0)).toBe('vouched');
  });

  it('what was told of another log says nothing of this one', () => {
    const before: Ends = { control: null, copies: [copyAt([9, 9], 'mirror-1')] };
    const after: Ends = { control: null, copies: [copyAt([1, 2], 'mirror-2')] };
    expect(joinEnds(before, after)).toEqual(after);
    expect(joinEnds(before, { ...after, copies: [copyAt([1, 10])] }).copies).toEqual([copyAt([9, 10])]);
  });

  type Word = { readonly process: number; readonly seqs: readonly number[]; readonly control: number };
  const words: fc.Arbitrary<Word[]> = fc.array(fc.record({ process: fc.nat(3), seqs, control: fc.nat(9) }), {
    minLength: 1,
    maxLength: 12,
  });

  it('all its earlier processes together have no less than any of them said, in whatever order they come', () => {
    fc.assert(
      fc.property(words, (all) => {
        const known = all.reduce<Remembered | null>(
          (before, { process, seqs: at, control }, i) => hear(before, `p${process}`, endsAt(at, control), i * 100),
          null,
        )!;
        const last = all.at(-1)!.process;
        const others = all.filter(({ process }) => process !== last);
        if (others.length === 0) expect(known.before).toBeNull();
        for (const { seqs: at, control } of others) {
          expect(judgeCopy(copyAt(at), known.before!.ends.copies[0]!, 0)).not.toBe('beyond');
          expect(known.before!.ends.control!.end).toBeGreaterThanOrEqual(control);
        }
      }),
    );
  });

  it('the gap is from the last word of the one process to the first sign of the next', () => {
    let known = hear(null, 'p1', endsAt([1, 1], 3), 1_000);
    known = hear(known, 'p1', endsAt([2, 1], 4), 2_000);
    known = hear(known, 'p2', null, 2_700);
    expect(known.before).toEqual({ gapMs: 700, ends: endsAt([2, 1], 4) });
    // What was read from a file was heard in an earlier life.
    const read: Remembered = { process: 'p1', heardMs: null, ends: endsAt([2, 1], 4), before: null };
    expect(hear(read, 'p2', null, 50).before?.gapMs).toBeNull();
  });
});
