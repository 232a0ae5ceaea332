import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DATE_DAYS_MAX,
  DATE_DAYS_MIN,
  dateFromText,
  formatDate,
  formatTimestamp,
  parseTimestamp,
  TIMESTAMP_US_MAX,
  timestampFromText,
} from './time.ts';

const DAY_MS = 86_400_000;

describe('time', () => {
  it('reads and writes each moment as Date does, to the µs', () => {
    const moment = fc.integer({ min: 1000 - TIMESTAMP_US_MAX, max: TIMESTAMP_US_MAX });
    fc.assert(
      fc.property(moment, (us) => {
        const text = formatTimestamp(us);
        const ms = Math.floor(us / 1000);
        expect(text.slice(0, 19)).toBe(new Date(ms).toISOString().slice(0, 19));
        expect(timestampFromText(text)).toBe(us);
        expect(timestampFromText(new Date(ms).toISOString())).toBe(ms * 1000);
      }),
    );
  });

  it('reads and writes every day of the years 0000 to 9999 as Date does', () => {
    for (let days = DATE_DAYS_MIN; days <= DATE_DAYS_MAX; days += 13) {
      const text = formatDate(days);
      if (dateFromText(text) !== days || text !== new Date(days * DAY_MS).toISOString().slice(0, 10)) {
        expect([days, text]).toBe(new Date(days * DAY_MS).toISOString());
      }
    }
    expect([formatDate(DATE_DAYS_MIN), formatDate(DATE_DAYS_MAX)]).toEqual(['0000-01-01', '9999-12-31']);
  });

  it.each([
    ['2001-01-10T18:20Z', '2001-01-10T18:20:00Z'],
    ['2001-01-10t18:20:05z', '2001-01-10T18:20:05Z'],
    ['2001-01-10 18:20:05Z', '2001-01-10T18:20:05Z'],
    ['2001-01-10T18:20:05.5Z', '2001-01-10T18:20:05.500Z'],
    ['2001-01-10T18:20:05.123456000Z', '2001-01-10T18:20:05.123456Z'],
    ['2001-01-10T00:20:00+01:30', '2001-01-09T22:50:00Z'],
    ['2000-12-31T23:30-00:45', '2001-01-01T00:15:00Z'],
    ['2000-02-29T00:00Z', '2000-02-29T00:00:00Z'],
  ])('reads %s as %s', (text, canonical) => {
    expect(formatTimestamp(parseTimestamp(text))).toBe(canonical);
  });

  it.each([
    '2001-02-30T00:00Z',
    '1900-02-29T00:00Z',
    '2001-13-01T00:00Z',
    '2001-00-01T00:00Z',
    '2001-01-00T00:00Z',
    '2001-01-10T24:00Z',
    '2001-01-10T18:60Z',
    '2001-01-10T18:20:60Z',
    '2001-01-10T18:20:05.1234567Z',
    '2001-01-10T18:20:05.Z',
    '2001-01-10T18:20',
    '2001-01-10T18:20Zx',
    '2001-01-10T18:20+0100',
    '2001-01-10T18:20+24:00',
    '2001-01-10',
    '2001-1-10T18:20Z',
    '+2001-01-10T18:20Z',
    '1684-07-27T00:00Z',
    '2255-06-06T00:00Z',
    '',
    'yesterday',
    '２００１-01-10T18:20Z',
  ])('refuses "%s" as a timestamp', (text) => {
    expect(() => parseTimestamp(text)).toThrow(`timestamp "${text}", expected RFC 3339`);
  });

  it.each(['2001-02-30', '2001-2-3', '2001-01-10Z', '20010110', '', '10000-01-01'])(
    'refuses "%s" as a date',
    (text) => {
      expect(dateFromText(text)).toBeNaN();
    },
  );

  it('takes no text but its own shape, whatever one character becomes', () => {
    const text = '2001-01-10T18:20:05.123Z';
    const shape = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/;
    const change = fc.record({ at: fc.nat(text.length - 1), by: fc.string({ maxLength: 2 }) });
    fc.assert(
      fc.property(change, ({ at, by }) => {
        const changed = text.slice(0, at) + by + text.slice(at + 1);
        if (!Number.isNaN(timestampFromText(changed))) expect(changed).toMatch(shape);
      }),
      { numRuns: 1000 },
    );
  });
});
