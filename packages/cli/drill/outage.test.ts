import { describe, expect, it } from 'vitest';
import { acksOf, outageOf } from './outage.ts';

const entry = (batch: number, ackedAtMs: number, token: string) => ({
  ...{ batch, firstRow: batch * 10 + 1, lastRow: batch * 10 + 10, token, ackedAtMs },
});
const PARIS = 'travel/paris/0=1:17,5=1:3';
const TOKYO = 'travel/tokyo/0=2:1';

describe('an outage as the client saw it', () => {
  const acks = acksOf([
    entry(0, 1_000, PARIS),
    entry(3, 5_200, TOKYO),
    entry(1, 1_900, PARIS),
    // Answered before the fault, read after it: no proof that writes are back.
    entry(2, 2_010, PARIS),
  ]);

  it('ends with the first ack of a later term, not with one that was still under way', () => {
    expect(outageOf(acks, 2_000, 6_000)).toEqual({ writesBackMs: 3_200, to: 'tokyo', epoch: 2, pauseMs: 3_190 });
  });

  it('is not over while no later term acks', () => {
    expect(outageOf(acks.slice(0, 3), 2_000, 9_000)).toEqual({
      ...{ writesBackMs: null, to: null, epoch: null, pauseMs: 6_990 },
    });
  });

  it('is a pause alone when the same term goes on', () => {
    const one = acksOf([entry(0, 1_000, PARIS), entry(1, 1_500, PARIS), entry(2, 1_600, PARIS)]);
    expect(outageOf(one, 1_100, 1_700)).toEqual({ writesBackMs: null, to: null, epoch: null, pauseMs: 400 });
  });
});
