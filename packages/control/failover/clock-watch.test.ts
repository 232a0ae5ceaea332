import { SeededRandom } from '@tidemark/platform/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLOCK_RULES, type ClockState, clockDoubt, clockTrouble, NO_CLOCK, stepClock } from './clock-watch.ts';

const HOUR = 3_600_000;
const START = 1_700_000_000_000;
const SITES = ['paris', 'tokyo', 'quito'] as const;
type Skews = Readonly<Record<string, (nowMs: number) => number>>;

/**
 * Every site asks every other four times a second, with delays that differ by the way; @returns what each found wrong at
 * each tick, from `fromMs` on.
 */
function troubles(seed: number, skews: Skews, sites: readonly string[], fromMs: number, untilMs: number) {
  const random = new SeededRandom(seed);
  const wall = (site: string, nowMs: number): number => START + nowMs + (skews[site]?.(nowMs) ?? 0);
  const states = new Map<string, ClockState>(sites.map((site) => [site, NO_CLOCK]));
  const found = new Map<string, (string | null)[]>(sites.map((site) => [site, []]));
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 250) {
    for (const site of sites) {
      let state = stepClock(states.get(site)!, { kind: 'tick', wallMs: wall(site, nowMs), nowMs });
      for (const peer of sites.filter((one) => one !== site)) {
        const [there, back] = [random.fraction() * 120, random.fraction() * 120];
        const arrivedMs = nowMs + there + back;
        state = stepClock(state, {
          kind: 'told',
          site: peer,
          timeMs: wall(peer, nowMs + there),
          tookMs: there + back,
          wallMs: wall(site, arrivedMs),
          nowMs: arrivedMs,
        });
      }
      states.set(site, state);
      if (nowMs >= fromMs) found.get(site)!.push(clockTrouble(state, nowMs));
    }
  }
  return found;
}

describe('clock watch', () => {
  it('with clocks within 200 ms of each other nobody is in trouble, however uneven the delays', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 3, maxLength: 3 }),
        (seed, off) => {
          const skews = Object.fromEntries(SITES.map((site, i) => [site, () => off[i]!]));
          for (const list of troubles(seed, skews, SITES, 0, 15_000).values()) expect(list.filter(Boolean)).toEqual([]);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('an answer that took long blames nobody: its time is known only to within half of that', () => {
    const slow = (offsetMs: number) => {
      const told = (site: string) =>
        ({ kind: 'told', site, timeMs: START + offsetMs, tookMs: 1_600, nowMs: 0 }) as const;
      const state = ['tokyo', 'quito'].reduce((s, site) => stepClock(s, { ...told(site), wallMs: START }), NO_CLOCK);
      return clockTrouble(state, 0);
    };
    expect([slow(0), slow(500), slow(501)]).toEqual([null, null, expect.stringContaining('behind the median')]);
  });

  it('one clock an hour off, from the start or from then on, is in trouble within 2 s, and it alone', () => {
    const wrong = fc.constantFrom(HOUR, -HOUR, 900, -900);
    fc.assert(
      fc.property(fc.nat(), wrong, fc.constantFrom(...SITES), fc.constantFrom(-1, 7_000), (seed, ms, site, fromMs) => {
        const skews = { [site]: (nowMs: number) => (nowMs > fromMs ? ms : 0) };
        const found = troubles(seed, skews, SITES, fromMs + 2_000, 20_000);
        for (const [name, list] of found) {
          if (name === site) expect(list).not.toContain(null);
          else expect(list.filter(Boolean)).toEqual([]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('a clock that strobes is in trouble for as long as it does, and trusted again soon after', () => {
    const strobing = (nowMs: number) =>
      nowMs > 5_000 && nowMs < 15_000 && Math.floor(nowMs / 700) % 2 === 0 ? 5_000 : 0;
    const { tokyo, ...rest } = Object.fromEntries(troubles(1, { tokyo: strobing }, SITES, 7_000, 14_000));
    const wrong = tokyo!.filter((text) => text !== null).length;
    expect(wrong).toBeGreaterThan(tokyo!.length / 2);
    for (const list of Object.values(rest)) expect(list!.filter(Boolean)).toEqual([]);
    expect(troubles(1, { tokyo: strobing }, SITES, 17_500, 25_000).get('tokyo')!.filter(Boolean)).toEqual([]);
  });

  it('nobody begins to lead by a clock before two others told theirs, unless there are not two or they do not answer', () => {
    const told = (...sites: string[]) =>
      sites.reduce(
        (s, site) => stepClock(s, { kind: 'told', site, timeMs: START, tookMs: 1, nowMs: 0, wallMs: START }),
        NO_CLOCK,
      );
    const doubts = [
      clockDoubt(NO_CLOCK, 0, 2, 0),
      clockDoubt(told('tokyo'), 0, 2, CLOCK_RULES.toldMsMax),
      clockDoubt(told('tokyo'), 0, 2, CLOCK_RULES.toldMsMax + 1),
      clockDoubt(told('tokyo', 'quito'), 0, 2, 0),
      clockDoubt(NO_CLOCK, 0, 1, 0),
    ];
    const doubt = expect.stringContaining('no two other sites');
    expect(doubts).toEqual([doubt, doubt, null, null, null]);
  });

  it('alone it is told a jump by the monotonic clock, and trusts itself again after running evenly', () => {
    const jump = (nowMs: number) => (nowMs > 5_000 ? HOUR : 0);
    expect(troubles(1, { paris: jump }, ['paris'], 5_250, 30_000).get('paris')).not.toContain(null);
    expect(troubles(1, { paris: jump }, ['paris'], 36_000, 40_000).get('paris')!.filter(Boolean)).toEqual([]);
    expect(troubles(1, {}, ['paris'], 0, 40_000).get('paris')!.filter(Boolean)).toEqual([]);
  });

  it('of two sites that disagree neither can be told to be the wrong one', () => {
    const found = troubles(1, { paris: () => HOUR }, ['paris', 'tokyo'], 0, 5_000);
    for (const list of found.values()) expect(list.filter(Boolean)).toEqual([]);
  });

  it('says by how much, which way, and what is allowed', () => {
    const found = troubles(1, { paris: () => HOUR }, SITES, 2_000, 2_000).get('paris')!;
    expect(found[0]).toMatch(/^its clock is 3\d{6} ms ahead of the median of 3 sites, at most 500$/);
    expect(CLOCK_RULES.offsetMsMax).toBe(500);
  });
});
