/**
 * JSON that tells of numbers it would round. `JSON.parse` makes a double of every number, and 1.0000000000000000001 is
 * the whole number 1 before anybody has asked which column it goes to.
 */

/** A number whose digits no double holds. A column of doubles takes it, all others refuse it by its digits. */
export class ExactNumber {
  /** As it stood in the JSON. */
  readonly digits: string;

  constructor(digits: string) {
    this.digits = digits;
  }

  /** In messages, as it was written. */
  toJSON(): string {
    return this.digits;
  }
}

/** More digits than every double holds, in a row. */
const MANY = 16;

/** So deep may lists and objects lie in each other: nothing that is asked for or stored is nested deeper. */
export const JSON_DEPTH_MAX = 100;

/** False where too few lists and objects begin at all, as in most texts; looking for them costs next to nothing. */
function mayBeDeep(text: string): boolean {
  let opened = 0;
  for (const open of ['[', '{']) {
    for (let at = text.indexOf(open); at !== -1 && opened <= JSON_DEPTH_MAX; at = text.indexOf(open, at + 1)) opened++;
  }
  return opened > JSON_DEPTH_MAX;
}

/** Looks before anything recursive does. */
function isDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Within a string nothing opens: on to its end.
    if (unit === 0x22) {
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
    } else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > depthMax) return true;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return false;
}

/** As `JSON.parse`, with an `ExactNumber` in place of each number that would be rounded. @throws {SyntaxError} */
export function parseExactJson(text: string): unknown {
  if (mayBeDeep(text) && isDeeper(text, JSON_DEPTH_MAX)) {
    throw new SyntaxError(`it is nested more than ${JSON_DEPTH_MAX} deep`);
  }
  return hasManyDigits(text) ? (JSON.parse(text, keepDigits) as unknown) : (JSON.parse(text) as unknown);
}

/**
 * True when so many digits stand in a row; within a text it costs a slower reading, and changes nothing. A row of MANY holds
 * one of the places that are MANY apart, so only these are looked at: a tenth of what a regular expression costs.
 */
function hasManyDigits(text: string): boolean {
  for (let at = MANY - 1; at < text.length; at += MANY) {
    if (!isOfNumber(text, at)) continue;
    let from = at;
    while (isOfNumber(text, from - 1)) from--;
    let to = at + 1;
    while (to - from < MANY && isOfNumber(text, to)) to++;
    if (to - from >= MANY) return true;
  }
  return false;
}

/** A digit or a point. */
function isOfNumber(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (code >= 48 && code <= 57) || code === 46;
}

function keepDigits(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  return sameNumber(String(value), source) ? value : new ExactNumber(source);
}

/** True for two spellings of one number: compared by sign, digits without zeros around them, and power of ten. */
function sameNumber(a: string, b: string): boolean {
  const [one, other] = [decimalOf(a), decimalOf(b)];
  return one !== null && other !== null && one.digits === other.digits && one.power === other.power;
}

/** The value is ± 0.digits × 10^power; the sign is in `digits`. */
type Decimal = { readonly digits: string; readonly power: number };

const NUMBER = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;

/** A number's digits and its place; null for what is no number in digits. */
export function decimalOf(text: string): Decimal | null {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  if (whole.length + fraction.length === 0) return null;
  const all = whole + fraction;
  const bare = all.replace(/^0+/, '');
  const digits = bare.replace(/0+$/, '');
  if (digits === '') return { digits: '', power: 0 };
  return { digits: sign + digits, power: Number(exponent) + whole.length - (all.length - bare.length) };
}
