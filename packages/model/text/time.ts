/**
 * Moments and days as text and as numbers, without Date: RFC 3339 ⇄ µs since 1970 UTC, `YYYY-MM-DD` ⇄ days since 1970.
 * The calendar is the proleptic Gregorian one (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
 */

import { Fault } from '@tidemark/platform/fault';

const SECOND_US = 1_000_000;
const DAY_US = 86_400 * SECOND_US;
/** Days of 0000-01-01 and 9999-12-31: what four digits of a year can say. */
export const DATE_DAYS_MIN = -719_528;
/** 9999-12-31 as days since 1970: the last day that four-digit years can write. */
export const DATE_DAYS_MAX = 2_932_896;
/** Timestamps are whole µs that a double holds exactly: 1684-07-28 to 2255-06-05. */
export const TIMESTAMP_US_MAX = Number.MAX_SAFE_INTEGER;

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * µs since 1970 of an RFC 3339 text. Seconds may be missing (`2001-01-10T18:20Z`); digits beyond µs must be zeros;
 * a leap second is refused, because no µs stands for it.
 * @returns NaN when it is no such text, or is outside what a timestamp holds
 */
export function timestampFromText(text: string): number {
  const days = daysAt(text);
  if (Number.isNaN(days)) return Number.NaN;
  const separator = text.charCodeAt(10);
  if (separator !== 84 && separator !== 116 && separator !== 32) return Number.NaN;
  const hour = twoDigits(text, 11);
  const minute = text.charCodeAt(13) === 58 ? twoDigits(text, 14) : -1;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return Number.NaN;
  let second = 0;
  let fractionUs = 0;
  let at = 16;
  if (text.charCodeAt(at) === 58) {
    second = twoDigits(text, 17);
    if (second < 0 || second > 59) return Number.NaN;
    at = 19;
    if (text.charCodeAt(at) === 46) {
      const from = ++at;
      let unitUs = 100_000;
      for (let digit = digitAt(text, at); digit >= 0; digit = digitAt(text, ++at)) {
        if (unitUs === 0 && digit !== 0) return Number.NaN;
        fractionUs += digit * unitUs;
        unitUs = Math.floor(unitUs / 10);
      }
      if (at === from) return Number.NaN;
    }
  }
  const offsetMinutes = offsetAt(text, at);
  const us = days * DAY_US + ((hour * 60 + minute - offsetMinutes) * 60 + second) * SECOND_US + fractionUs;
  return us >= -TIMESTAMP_US_MAX && us <= TIMESTAMP_US_MAX ? us : Number.NaN;
}

/** Minutes east of UTC of the offset that ends the text at `at`; NaN when there is none. */
function offsetAt(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  if (sign === 90 || sign === 122) return text.length === at + 1 ? 0 : Number.NaN;
  if ((sign !== 43 && sign !== 45) || text.length !== at + 6 || text.charCodeAt(at + 3) !== 58) return Number.NaN;
  const hours = twoDigits(text, at + 1);
  const minutes = twoDigits(text, at + 4);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return Number.NaN;
  return (sign === 45 ? -1 : 1) * (hours * 60 + minutes);
}

/** Days since 1970 of `YYYY-MM-DD`; NaN when it is no such day. */
export function dateFromText(text: string): number {
  return text.length === 10 ? daysAt(text) : Number.NaN;
}

/** @throws {Fault} `invalid`: not RFC 3339, or a day or hour that does not exist, or outside the years it can hold. */
export function parseTimestamp(text: string): number {
  const us = timestampFromText(text);
  if (!Number.isNaN(us)) return us;
  const expected = 'RFC 3339 between 1684-07-28 and 2255-06-05, like 2001-01-10T18:20:00Z';
  throw new Fault('invalid', `timestamp "${text}", expected ${expected}`, { got: text, expected });
}

/** RFC 3339 in UTC with as many fraction digits as it takes: none, three or six. */
export function formatTimestamp(us: number): string {
  const days = Math.floor(us / DAY_US);
  const inDayUs = us - days * DAY_US;
  const seconds = Math.floor(inDayUs / SECOND_US);
  const minutes = Math.floor(seconds / 60);
  const clock = `${padded2(Math.floor(minutes / 60))}:${padded2(minutes % 60)}:${padded2(seconds % 60)}`;
  return `${formatDate(days)}T${clock}${fraction(inDayUs % SECOND_US)}Z`;
}

function fraction(us: number): string {
  if (us === 0) return '';
  return us % 1000 === 0 ? `.${padded(us / 1000, 3)}` : `.${padded(us, 6)}`;
}

/** `YYYY-MM-DD`, for days of the years 0000 to 9999. */
export function formatDate(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${year >= 1_000 ? year : padded(year, 4)}-${padded2(month)}-${padded2(day)}`;
}

/** Days since 1970 of the `YYYY-MM-DD` a text begins with; NaN when it does not. */
function daysAt(text: string): number {
  const high = twoDigits(text, 0);
  const low = twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (high < 0 || low < 0 || text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return Number.NaN;
  if (month < 1 || month > 12 || day < 1) return Number.NaN;
  const year = high * 100 + low;
  const leapDay = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
  if (day > MONTH_DAYS[month - 1]! + leapDay) return Number.NaN;
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The number two digits make; negative when they are none. */
function twoDigits(text: string, at: number): number {
  const high = digitAt(text, at);
  const low = digitAt(text, at + 1);
  return high < 0 || low < 0 ? -1 : high * 10 + low;
}

function digitAt(text: string, at: number): number {
  const digit = text.charCodeAt(at) - 48;
  return digit >= 0 && digit <= 9 ? digit : -1;
}

/** Of two digits at most. */
function padded2(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

function padded(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
