/** One request to one site, and every way it can end told as a Fault that says whether the request may have counted. */

import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, isFaultKind, kindOfStatus, messageOf } from '@tidemark/platform/fault';
import { Deadline } from './deadline.ts';

/** `fetch`, so that tests can stand in for the network. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What is sent to one site; sending it again is the caller's to decide. */
export type Request = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query, beginning with `/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
};

/** An answer whose body is still to be read; dispose it when that is done or given up. */
export type Reply = Disposable & {
  readonly response: Response;
  readonly url: string;
  /** Pushed on by whoever reads the body; aborting it ends the reading. */
  readonly deadline: Deadline;
};

/** What a request goes out by; tests give a simulated clock and a scripted `fetch`. */
export type Network = { readonly clock: Clock; readonly fetch: Fetch };

/** Errors of a connection that was never made: nothing was sent. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * Sends a request and returns the answer if its status is 2xx or 304.
 * @param idleMs longest silence, before the answer and within it
 * @param givenUp aborted when nobody waits for this answer any more; what was sent may count all the same
 * @throws {Fault} `unavailable`: the request was not carried out. `unknown`: it was sent and no answer came. Otherwise
 *   what the site's problem body says, with `details.location` where it names another site.
 */
export async function exchange(
  network: Network,
  site: string,
  request: Request,
  idleMs: number,
  givenUp?: AbortSignal,
): Promise<Reply> {
  const url = `${site}${request.path}`;
  const deadline = new Deadline(network.clock, idleMs);
  try {
    const response = await network.fetch(url, {
      method: request.method,
      redirect: 'manual',
      signal: givenUp === undefined ? deadline.signal : AbortSignal.any([deadline.signal, givenUp]),
      ...(request.headers === undefined ? {} : { headers: { ...request.headers } }),
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    deadline.restart();
    if (response.ok || response.status === 304) {
      return { response, url, deadline, [Symbol.dispose]: () => deadline[Symbol.dispose]() };
    }
    throw await faultOf(response, site, `${request.method} ${url}`);
  } catch (error) {
    deadline[Symbol.dispose]();
    if (isFault(error)) throw error;
    throw transportFault(error, `${request.method} ${url}`, deadline, idleMs);
  }
}

/** What a broken or silent connection means. */
export function transportFault(error: unknown, what: string, deadline: Deadline, idleMs: number): Fault {
  if (deadline.expired)
    return new Fault('unknown', `${what}: no answer within ${Math.round(idleMs)} ms`, { cause: error });
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = (cause as { code?: unknown } | null)?.code;
  const why = typeof code === 'string' ? code : messageOf(cause);
  if (typeof code === 'string' && NOT_SENT.has(code)) {
    return new Fault('unavailable', `${what}: cannot connect (${why})`, { cause: error });
  }
  return new Fault('unknown', `${what}: the connection broke (${why})`, { cause: error });
}

/** The Fault in a problem body (RFC 9457), or the best that the status alone can say. */
async function faultOf(response: Response, site: string, what: string): Promise<Fault> {
  const text = await response.text().catch(() => '');
  const location = response.headers.get('location');
  const problem = parseProblem(text);
  const fault = faultOfProblem(problem ?? {}, response.status, what);
  const retryAfterS = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new Fault(fault.kind, fault.message, {
    ...(Number.isFinite(retryAfterS) ? { retryAfterMs: retryAfterS * 1000 } : {}),
    ...fault.details,
    answeredBy: site,
    ...(location === null ? {} : { location: new URL(location, response.url || undefined).href }),
  });
}

function parseProblem(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A problem object as a Fault: from an answer's body, or from a line of a stream. */
export function faultOfProblem(problem: Record<string, unknown>, status: number, what: string): Fault {
  const { kind, detail, title, message, table, column, got, expected, retryAfterMs } = problem;
  const said = [detail, message, title].find((text) => typeof text === 'string' && text !== '');
  return new Fault(
    isFaultKind(kind) ? kind : kindOfStatus(status),
    said === undefined ? `${what}: status ${status}` : String(said),
    {
      ...(typeof table === 'string' ? { table } : {}),
      ...(typeof column === 'string' ? { column } : {}),
      ...(got === undefined ? {} : { got }),
      ...(expected === undefined ? {} : { expected }),
      ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    },
  );
}
