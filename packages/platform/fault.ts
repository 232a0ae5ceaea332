/**
 * The one error class for everything that is expected to go wrong. Its kind says what the caller does next; a broken
 * invariant is not a Fault but a failed assertion.
 */

/**
 * Refused: nothing of it was done, and asking the same again is refused again. In parentheses: the HTTP status.
 * - `invalid`: not what can be asked; tell whoever asked (400)
 * - `forbidden`: whoever asks may not (403)
 * - `notFound`: what is named is not there (404)
 * - `conflict`: a rule refuses it as things stand; look at them first (409)
 * - `outOfRange`: what was there is gone: the log begins later (410)
 * - `preconditionFailed`: it is not the version that was asked for; read it again (412)
 * - `tooLarge`: more than is taken at once; send less (413)
 * - `unsupported`: a form that is not read here; send another one (415)
 * - `keyReused`: the idempotency key stands for another request; send this one under a key of its own (422)
 */
export type RefusalKind =
  | 'invalid'
  | 'forbidden'
  | 'notFound'
  | 'conflict'
  | 'outOfRange'
  | 'preconditionFailed'
  | 'tooLarge'
  | 'unsupported'
  | 'keyReused';

/**
 * What whoever gets a Fault does next: nothing where it is a refusal; else
 * - `notLeader`: not done, another site leads; ask at `location` (307)
 * - `fenced`: a newer owner exists; stop (409)
 * - `unavailable`: not done; back off and retry (503)
 * - `unknown`: may be done; ask, or repeat with the same id (504)
 * - `keyForgotten`: may be done, and a repeat does not tell; look, and send what is missing under another key (422)
 * - `corrupt`: stored bytes are wrong; set them aside and alarm (500)
 */
export type FaultKind = RefusalKind | 'notLeader' | 'fenced' | 'unavailable' | 'unknown' | 'keyForgotten' | 'corrupt';

/** How a kind looks from outside, and what it says of the request. */
export type FaultMeaning = {
  /** HTTP status of the answer. */
  readonly status: number;
  /** Exit code of the CLI: 1 failed, 2 wrong usage, 3 refused by a safety rule, 4 unavailable or unknown. */
  readonly exitCode: 1 | 2 | 3 | 4;
  /** Whether it is one of `RefusalKind`. */
  readonly isRefusal: boolean;
};

/** The only place that says which status and which exit code a kind has. */
export const FAULT_MEANINGS: {
  readonly [K in FaultKind]: FaultMeaning & { readonly isRefusal: K extends RefusalKind ? true : false };
} = {
  invalid: { status: 400, exitCode: 2, isRefusal: true },
  forbidden: { status: 403, exitCode: 2, isRefusal: true },
  notFound: { status: 404, exitCode: 2, isRefusal: true },
  conflict: { status: 409, exitCode: 2, isRefusal: true },
  outOfRange: { status: 410, exitCode: 2, isRefusal: true },
  preconditionFailed: { status: 412, exitCode: 2, isRefusal: true },
  tooLarge: { status: 413, exitCode: 2, isRefusal: true },
  unsupported: { status: 415, exitCode: 2, isRefusal: true },
  keyReused: { status: 422, exitCode: 2, isRefusal: true },
  keyForgotten: { status: 422, exitCode: 4, isRefusal: false },
  notLeader: { status: 307, exitCode: 4, isRefusal: false },
  fenced: { status: 409, exitCode: 3, isRefusal: false },
  unavailable: { status: 503, exitCode: 4, isRefusal: false },
  unknown: { status: 504, exitCode: 4, isRefusal: false },
  corrupt: { status: 500, exitCode: 1, isRefusal: false },
};

/** Statuses of proxies and of the HTTP layer that no kind has, and those of two kinds: the one that promises less. */
const KIND_OF_STATUS: Readonly<Record<number, FaultKind>> = {
  308: 'notLeader',
  408: 'unknown',
  409: 'fenced',
  414: 'tooLarge',
  422: 'invalid',
  429: 'unavailable',
  431: 'tooLarge',
  500: 'unknown',
  502: 'unavailable',
};

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
  /** The address of the site that said so; absent where no answer came. */
  readonly answeredBy?: string;
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

/** True for a Fault that refuses: nothing of it was done, and asking the same again is of no use. */
export function isRefusal(error: unknown): error is Fault & { readonly kind: RefusalKind } {
  return isFault(error) && FAULT_MEANINGS[error.kind].isRefusal;
}

/** True for the name of a kind, as another process tells it. */
export function isFaultKind(name: unknown): name is FaultKind {
  return typeof name === 'string' && Object.hasOwn(FAULT_MEANINGS, name);
}

/** The most that a status says where nobody told the kind, as of a proxy. */
export function kindOfStatus(status: number): FaultKind {
  const listed = KIND_OF_STATUS[status];
  if (listed !== undefined) return listed;
  const kinds = Object.keys(FAULT_MEANINGS) as FaultKind[];
  return kinds.find((kind) => FAULT_MEANINGS[kind].status === status) ?? (status >= 500 ? 'unknown' : 'invalid');
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  // Node's own says nothing where a name has several addresses and none of them can be reached.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
