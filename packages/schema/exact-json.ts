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

/** More digits than every double holds, in a row. Found within a text it costs a slower reading, and changes nothing. */
const MANY_DIGITS = /[\d.]{16}/;

/** As `JSON.parse`, with an `ExactNumber` in place of each number that would be rounded. @throws {SyntaxError} */
export function parseExactJson(text: string): unknown {
  return MANY_DIGITS.test(text) ? (JSON.parse(text, keepDigits) as unknown) : (JSON.parse(text) as unknown);
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
