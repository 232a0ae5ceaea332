/** Errors as the caller sees them: RFC 9457 problems with Tidemark's own fields. */

import { STATUS_CODES } from 'node:http';
import { FAULT_MEANINGS, Fault, type FaultKind, isFault, kindOfStatus, messageOf } from '@tidemark/platform/fault';

const PROBLEM_TYPE = 'application/problem+json';

/** The body of every answer that is not a success. */
export type Problem = {
  readonly type: 'about:blank';
  /** The status in words. */
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly kind: FaultKind;
  readonly table?: string;
  readonly column?: string;
  readonly got?: unknown;
  readonly expected?: unknown;
  readonly retryAfterMs?: number;
  readonly requestId: string;
};

/** When nothing says how long to wait. */
const RETRY_AFTER_MS = 1_000;

/**
 * What an error looks like from outside. What is no Fault and no complaint of the HTTP layer is a bug here: 500, kind
 * `unknown`, as nobody can say how far the request got, and its message stays in the log.
 */
export function problemOf(error: unknown, requestId: string): Problem {
  if (isFault(error)) return problemOfFault(error, FAULT_MEANINGS[error.kind].status, requestId);
  const status = statusOfHttp(error);
  if (status !== null) return refusalOfHttp(status, messageOf(error), requestId);
  const bug = new Fault('unknown', 'internal error: the log of this site has it under the request id');
  return problemOfFault(bug, 500, requestId);
}

/** What the HTTP layer refuses by itself keeps the status that it has in HTTP, and is told by the nearest kind. */
export function refusalOfHttp(status: number, message: string, requestId: string): Problem {
  return problemOfFault(new Fault(kindOfStatus(status), message), status, requestId);
}

function problemOfFault({ kind, message, details }: Fault, status: number, requestId: string): Problem {
  const { table, column, got, expected, retryAfterMs } = details;
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: message,
    kind,
    ...(table === undefined ? {} : { table }),
    ...(column === undefined ? {} : { column }),
    ...(got === undefined ? {} : { got: printable(got) }),
    ...(expected === undefined ? {} : { expected: printable(expected) }),
    ...(retryAfterMs !== undefined || kind === 'unavailable' ? { retryAfterMs: retryAfterMs ?? RETRY_AFTER_MS } : {}),
    requestId,
  };
}

/**
 * Headers that go with the problem: its type, where to go instead, when to come back.
 * @param path of the request; where a Fault's `location` is only a site, the same path is meant there
 */
export function problemHeaders(error: unknown, problem: Problem, path: string): Record<string, string> {
  const location = isFault(error) ? error.details.location : undefined;
  return {
    'content-type': PROBLEM_TYPE,
    ...(location === undefined ? {} : { location: samePathAt(location, path) }),
    ...(problem.retryAfterMs === undefined ? {} : { 'retry-after': `${Math.ceil(problem.retryAfterMs / 1000)}` }),
  };
}

function samePathAt(location: string, path: string): string {
  const bare = URL.canParse(location) && new URL(location).pathname === '/';
  return bare ? `${location.replace(/\/$/, '')}${path}` : location;
}

/** The HTTP layer's own refusals (a body too large, not JSON, of no known type) carry a status below 500. */
function statusOfHttp(error: unknown): number | null {
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null;
}

/** JSON knows neither bigint nor bytes. */
function printable(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value;
}
