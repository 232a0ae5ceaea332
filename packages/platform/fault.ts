/**
 * The one error class for everything that is expected to go wrong. Its kind says what the caller does next; a broken
 * invariant is not a Fault but a failed assertion.
 */

/**
 * What whoever gets a Fault does next:
 * - `invalid`: never works as asked; tell whoever asked (HTTP 400)
 * - `fenced`: a newer owner exists; stop (409)
 * - `unavailable`: not done; back off and retry (503)
 * - `unknown`: may be done; ask, or repeat with the same id (504)
 * - `corrupt`: stored bytes are wrong; set them aside and alarm (500)
 */
export type FaultKind = 'invalid' | 'fenced' | 'unavailable' | 'unknown' | 'corrupt';

/** What a Fault can name beside its message; these become the fields of the HTTP problem body. */
export type FaultDetails = {
  /** The table's name. */
  readonly table?: string;
  /** The column's name. */
  readonly column?: string;
  /** The file that is wrong, relative to the data folder. */
  readonly path?: string;
  /** What there was. */
  readonly got?: unknown;
  /** What there should have been. */
  readonly expected?: unknown;
  /** How long to wait before trying again, in ms. */
  readonly retryAfterMs?: number;
  /** Where the right place to ask is, when it is another site. */
  readonly location?: string;
  /** HTTP status where it differs from the kind's own (404 for something that does not exist, 307, 412, 413). */
  readonly status?: number;
};

/** Something expected went wrong. `message` names the thing, and what was got and expected; `cause` is kept. */
export class Fault extends Error {
  /** What the caller does next. */
  readonly kind: FaultKind;
  /** The named parts of the message. */
  readonly details: FaultDetails;

  /** @param details the named parts, and the `cause` */
  constructor(kind: FaultKind, message: string, details: FaultDetails & { readonly cause?: unknown } = {}) {
    const { cause, ...rest } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Fault';
    this.kind = kind;
    this.details = rest;
  }
}

/** True for a Fault, of the given kind when one is named. */
export function isFault(error: unknown, kind?: FaultKind): error is Fault {
  return error instanceof Fault && (kind === undefined || error.kind === kind);
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
