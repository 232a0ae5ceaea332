/** Rows over HTTP into one site, and the moment at which all sites have applied them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { COLUMNAR_CONTENT_TYPE } from '@tidemark/columnar/columnar';
import { comparePositions, formatToken, type Position, parseToken, type Token } from '@tidemark/model/position';

const WAIT_MS = 60_000;
const RETRY_MS = 200;

/** A keyspace file, as far as it is looked at here. */
export type NamedFile = { readonly keyspace: string; readonly [field: string]: unknown };

/** Defines a keyspace, whose primary may not take rows yet. */
export async function defineKeyspace(url: string, file: NamedFile): Promise<void> {
  const put = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(file) };
  await asked(`${url}/v1/keyspaces/${file.keyspace}`, put);
}

/** Defines the keyspace and waits until its primary takes a row. */
export async function define(url: string, file: NamedFile, body: Buffer): Promise<void> {
  const untilMs = performance.now() + WAIT_MS;
  await defineKeyspace(url, file);
  for (;;) {
    try {
      await postColumns(url, body);
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(RETRY_MS);
    }
  }
}

/** @returns the token of the write */
export async function postColumns(url: string, body: Buffer): Promise<Token> {
  const response = await asked(`${url}/v1/travel/flights/rows`, {
    method: 'POST',
    headers: { 'content-type': COLUMNAR_CONTENT_TYPE },
    body: new Uint8Array(body),
  });
  return parseToken(((await response.json()) as { token: string }).token);
}

async function asked(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.ok) return response;
  throw new Error(`${init.method ?? 'GET'} ${url}: status ${response.status} ${(await response.text()).slice(0, 300)}`);
}

/** The furthest position of every partition among some writes. */
export class Reached {
  #token: Token | null = null;

  add(token: Token): void {
    const positions = new Map<number, Position>(this.#token?.positions ?? []);
    for (const [partition, at] of token.positions) {
      const known = positions.get(partition);
      if (known === undefined || comparePositions(at, known) > 0) positions.set(partition, at);
    }
    this.#token = { ...token, positions };
  }

  /** Resolves once every site has applied all of it. */
  async everywhere(urls: readonly string[]): Promise<void> {
    if (this.#token === null) return;
    const headers = { 'Tidemark-At-Least': formatToken(this.#token) };
    await Promise.all(
      urls.map(async (url) => {
        const response = await asked(`${url}/v1/travel/flights/rows/SAN?limit=1&timeoutMs=${WAIT_MS}`, { headers });
        await response.arrayBuffer();
      }),
    );
  }
}

/** Posts every body, `lanes` at a time, as fast as they are acked. */
export async function postAll(url: string, bodies: readonly Buffer[], lanes: number): Promise<Reached> {
  const reached = new Reached();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < bodies.length) reached.add(await postColumns(url, bodies[next++]!));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return reached;
}

export type Pace = { readonly batchRows: number; readonly rowsPerSecond: number; readonly ms: number };

/** Posts bodies at a rate, whether or not those before are acked. @returns rows per second really posted and acked */
export async function postPaced(url: string, bodies: readonly Buffer[], pace: Pace): Promise<number> {
  const startMs = performance.now();
  const underWay: Promise<Token>[] = [];
  const gapMs = (pace.batchRows / pace.rowsPerSecond) * 1_000;
  while (performance.now() - startMs < pace.ms) {
    const waitMs = startMs + underWay.length * gapMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    underWay.push(postColumns(url, bodies[underWay.length % bodies.length]!));
  }
  await Promise.all(underWay);
  return ((underWay.length * pace.batchRows) / (performance.now() - startMs)) * 1_000;
}
