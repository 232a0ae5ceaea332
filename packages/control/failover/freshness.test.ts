import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Beat } from '../heartbeats/heartbeat-store.ts';
import { Arrivals } from './freshness.ts';

const SILENCE_MS = 2_000;

function beatOf(nonce: number, fields: Partial<Beat> = {}): Beat {
  return { site: 'paris', role: 'writer', process: 'p1', nonce, timeMs: 0, facts: {}, ...fields };
}

/** A reader that saw the writer of paris beat at 0 and at 1,000. */
function beating(): Arrivals {
  const arrivals = new Arrivals(SILENCE_MS);
  arrivals.observe('paris', [beatOf(1)], 0);
  arrivals.observe('paris', [beatOf(2)], 1_000);
  return arrivals;
}

describe('freshness', () => {
  it('nobody is known before a board was read, nor a role it never showed', () => {
    expect(new Arrivals(SILENCE_MS).state('paris', 'writer', 0)).toBe('unknown');
    expect(new Arrivals(SILENCE_MS).ageMs('paris', 'writer', 0)).toBeNull();
    expect(beating().state('paris', 'mirror', 1_000)).toBe('unknown');
  });

  it('a beat found at first sight proves nothing: it may be minutes old', () => {
    const arrivals = new Arrivals(SILENCE_MS);
    arrivals.observe('paris', [beatOf(1)], 0);
    expect(arrivals.state('paris', 'writer', 0)).toBe('unknown');
    arrivals.observe('paris', [beatOf(1)], SILENCE_MS + 1);
    expect(arrivals.state('paris', 'writer', SILENCE_MS + 1)).toBe('silent');
  });

  it('a nonce that changes is life; silence of exactly the limit is still alive', () => {
    const arrivals = beating();
    arrivals.observe('paris', [beatOf(2)], 1_000 + SILENCE_MS);
    expect(arrivals.state('paris', 'writer', 1_000 + SILENCE_MS)).toBe('alive');
    arrivals.observe('paris', [beatOf(2)], 1_001 + SILENCE_MS);
    expect(arrivals.state('paris', 'writer', 1_001 + SILENCE_MS)).toBe('silent');
    expect(arrivals.ageMs('paris', 'writer', 1_001 + SILENCE_MS)).toBe(SILENCE_MS + 1);
  });

  it('absent means unknown, not dead: at once, and after any time', () => {
    const arrivals = beating();
    arrivals.observe('paris', [], 1_500);
    expect(arrivals.state('paris', 'writer', 1_500)).toBe('unknown');
    arrivals.observe('paris', [], 90_000);
    expect(arrivals.state('paris', 'writer', 90_000)).toBe('unknown');
  });

  it('a board that cannot be read makes everyone on it unknown, not silent', () => {
    const arrivals = beating();
    expect(arrivals.state('paris', 'writer', 1_001 + SILENCE_MS)).toBe('unknown');
  });

  it('an old beat that turns up again, as from a server that slept, is no sign of life', () => {
    const arrivals = beating();
    arrivals.observe('paris', [beatOf(1)], 5_000);
    expect(arrivals.state('paris', 'writer', 5_000)).toBe('silent');
    expect(arrivals.latest('paris', 'writer')).toEqual(beatOf(2));
  });

  it('after a flush the same nonce again is no sign of life, the next one is', () => {
    const arrivals = beating();
    arrivals.observe('paris', [], 1_500);
    arrivals.observe('paris', [beatOf(2)], 2_000);
    expect(arrivals.ageMs('paris', 'writer', 2_000)).toBe(1_000);
    arrivals.observe('paris', [beatOf(3)], 5_000);
    expect(arrivals.state('paris', 'writer', 5_000)).toBe('alive');
  });

  it('a restarted process takes over from its dead predecessor, whose beat still hangs there', () => {
    const arrivals = beating();
    const dead = beatOf(2);
    arrivals.observe('paris', [dead, beatOf(1, { process: 'p2' })], 9_000);
    expect(arrivals.state('paris', 'writer', 9_000)).toBe('silent');
    arrivals.observe('paris', [dead, beatOf(2, { process: 'p2' })], 10_000);
    expect(arrivals.state('paris', 'writer', 10_000)).toBe('alive');
    expect(arrivals.latest('paris', 'writer')?.process).toBe('p2');
  });

  it('a beat of another site on this board is not taken for one of this site', () => {
    const arrivals = new Arrivals(SILENCE_MS);
    arrivals.observe('paris', [beatOf(1, { site: 'tokyo' })], 0);
    expect(arrivals.roles('paris')).toEqual([]);
    expect(arrivals.latest('paris', 'writer')).toBeNull();
  });

  it('the time the beater writes changes no judgement', () => {
    const steps = fc.array(
      fc.record({ nonce: fc.integer({ min: 0, max: 4 }), gapMs: fc.integer({ min: 0, max: 3_000 }) }),
    );
    fc.assert(
      fc.property(steps, fc.array(fc.integer(), { minLength: 1 }), (seen, times) => {
        const [honest, lying] = [new Arrivals(SILENCE_MS), new Arrivals(SILENCE_MS)];
        let nowMs = 0;
        for (const [index, { nonce, gapMs }] of seen.entries()) {
          nowMs += gapMs;
          honest.observe('paris', [beatOf(nonce)], nowMs);
          lying.observe('paris', [beatOf(nonce, { timeMs: times[index % times.length]! })], nowMs);
          expect(lying.state('paris', 'writer', nowMs)).toBe(honest.state('paris', 'writer', nowMs));
          expect(lying.ageMs('paris', 'writer', nowMs)).toBe(honest.ageMs('paris', 'writer', nowMs));
        }
      }),
    );
  });

  it('a process that stopped is never called alive again, however often its last beats are shown', () => {
    const shows = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 3_000 })), { minLength: 1 });
    fc.assert(
      fc.property(shows, (shown) => {
        const arrivals = beating();
        let nowMs = 1_000 + SILENCE_MS;
        for (const [nonce, gapMs] of shown) {
          nowMs += gapMs;
          arrivals.observe('paris', [beatOf(nonce)], nowMs);
          expect(arrivals.state('paris', 'writer', nowMs)).toBe('silent');
        }
      }),
    );
  });
});
