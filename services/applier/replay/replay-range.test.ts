import { describe, expect, it } from 'vitest';
import { parseRange } from './replay-range.ts';

const NOW_MS = 10_000_000;
const bounds = (from?: string, to?: string): unknown[] => Object.values(parseRange(from, to, NOW_MS));
const time = (timeMs: number): object => ({ by: 'time', timeMs });

describe('replay range', () => {
  it('is everything when nothing is said', () => {
    expect(bounds()).toEqual([{ by: 'start' }, { by: 'end' }]);
  });

  it('takes each bound as it is written', () => {
    expect(bounds('+3', '-4')).toEqual([
      { by: 'afterStart', count: 3 },
      { by: 'beforeEnd', count: 4 },
    ]);
    expect(bounds('17', '2:9')).toEqual([
      { by: 'offset', count: 17 },
      { by: 'position', at: { epoch: 2, seq: 9 } },
    ]);
    expect(bounds('-1h', '@-30s')).toEqual([time(NOW_MS - 3_600_000), time(NOW_MS - 30_000)]);
    expect(bounds('@5000', '@1970-01-01T00:00:06Z')).toEqual([time(5000), time(6000)]);
  });

  it('takes a whole range in one word', () => {
    expect(bounds(':end')).toEqual([{ by: 'start' }, { by: 'end' }]);
    expect(bounds('+10:-10')).toEqual([
      { by: 'afterStart', count: 10 },
      { by: 'beforeEnd', count: 10 },
    ]);
    expect(bounds('@5000:6000')).toEqual([time(5000), time(6000)]);
    expect(bounds('@-2h:-1h')).toEqual([time(NOW_MS - 7_200_000), time(NOW_MS - 3_600_000)]);
    expect(bounds('@1970-01-01T00:00:05Z:1970-01-01T00:00:06Z')).toEqual([time(5000), time(6000)]);
    expect(bounds('start:')).toEqual([{ by: 'start' }, { by: 'end' }]);
  });

  it('refuses what is no range, naming it', () => {
    for (const text of ['', 'begin', '1:2:x', '@noon', '-1y', '++1']) {
      expect(() => parseRange(text, undefined, NOW_MS)).toThrow(`replay range "${text}"`);
    }
  });
});
