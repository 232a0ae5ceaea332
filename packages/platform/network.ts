/** Requests to other processes, as a port. */

import { request } from 'node:http';
import { Fault, messageOf } from './fault.ts';

/** `body` is what the JSON said; null when the answer was empty or no JSON. */
export type Answer = { readonly status: number; readonly body: unknown };

/** Beside the ones every request has; names in lower case. */
export type Headers = Readonly<Record<string, string>>;

/** Codes of a connection that somebody closed at once, or did not take: the machine lives, and nobody listens there. */
const TURNED_AWAY = ['ECONNREFUSED', 'ECONNRESET'];

/** Whether a request failed as no process took its connection; false when it was lost, or nobody answered in time. */
export function isTurnedAway(fault: Fault): boolean {
  for (let { cause } = fault as Error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause) return TURNED_AWAY.includes(String(cause.code));
  }
  return false;
}

/** Ways to ask another process by URL; what comes back is from outside and unchecked. */
export interface Network {
  /**
   * Lines of a streamed answer, until the other side ends it or `signal` aborts.
   * @throws whatever went wrong: the caller tries again.
   */
  lines(url: string, signal: AbortSignal): AsyncGenerator<string>;

  /**
   * One request and its answer, whatever its status. `body` null asks (GET), anything else is sent as JSON (POST).
   * With the header `connection: close` a GET goes over a connection of its own, whatever became of earlier ones.
   * @throws {Fault} `unknown`: no answer within `timeoutMs`, or the connection broke; it may have been done. Its cause says
   *   where no process took the connection (`isTurnedAway`).
   */
  ask(url: string, body: object | null, timeoutMs: number, headers?: Headers): Promise<Answer>;
}

/** HTTP with Node's own fetch. */
export class HttpNetwork implements Network {
  async *lines(url: string, signal: AbortSignal): AsyncGenerator<string> {
    const response = await fetch(url, { signal });
    if (!response.ok || response.body === null) throw new Error(`GET ${url}: status ${response.status}`);
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response.body) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = parts.pop()!;
      yield* parts;
    }
  }

  async ask(url: string, body: object | null, timeoutMs: number, headers: Headers = {}): Promise<Answer> {
    if (body === null && headers.connection === 'close') return askAlone(url, timeoutMs, headers);
    const json = { 'content-type': 'application/json', ...headers };
    const sent = { method: 'POST', headers: json, body: JSON.stringify(body) };
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(url, { ...(body === null ? { headers } : sent), redirect: 'manual', signal });
      return { status: response.status, body: parsed(await response.text()) };
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause)})` : '';
      throw new Fault('unknown', `${url}: ${messageOf(error)}${cause}`, { cause: error });
    }
  }
}

/**
 * A GET over a new connection, closed after it. Node's fetch keeps connections, also those still being made: after a cut a
 * request may wait for the next SYN of one, for seconds.
 */
function askAlone(url: string, timeoutMs: number, headers: Headers): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new Fault('unknown', `${url}: ${error.message}`, { cause: error }));
    const signal = AbortSignal.timeout(timeoutMs);
    const asking = request(url, { agent: false, headers, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString('utf8')) });
      });
    });
    asking.on('error', fail);
    asking.end();
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
