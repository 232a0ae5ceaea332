/** A client that writes rows of new keys and remembers which were acked. */

import { setTimeout as sleep } from 'node:timers/promises';
import { promise } from './fault-row.ts';

const ANSWER_MS_MAX = 2_000;
const ROWS_MAX = 20;

export class WritingClient {
  readonly acked = new Set<string>();
  #n = 0;

  async write(url: string, keyspace: string, forMs: number): Promise<void> {
    for (const untilMs = performance.now() + forMs; performance.now() < untilMs; ) {
      await this.#put(url, keyspace, 1 + (this.#n % ROWS_MAX));
    }
  }

  /** Whether it was acked. */
  putOne(url: string, keyspace: string): Promise<boolean> {
    return this.#put(url, keyspace, 1);
  }

  async #put(url: string, keyspace: string, count: number): Promise<boolean> {
    const rows = Array.from({ length: count }, () => ({ k: `row-${++this.#n}`, n: this.#n }));
    const response = await fetch(`${url}/v1/${keyspace}/probes/rows?timeoutMs=${ANSWER_MS_MAX}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ rows }),
      redirect: 'manual',
    }).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok === true) for (const { k } of rows) this.acked.add(k);
    return response?.ok === true;
  }

  /** Acked rows that the site does not have. @throws {BrokenPromise} it does not answer whole */
  async missingAt(url: string, keyspace: string): Promise<string[]> {
    const response = await fetch(`${url}/v1/${keyspace}/probes/scan`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ select: ['k'] }),
    });
    const lines = (await response.text()).trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as { readonly k?: string; readonly $end?: unknown });
    promise(rows.at(-1)?.$end !== undefined, `a scan did not end: ${lines.at(-1)}`);
    const there = new Set(rows.map(({ k }) => k));
    return [...this.acked].filter((row) => !there.has(row));
  }

  /** @throws {BrokenPromise} rows are missing there for longer */
  async untilWholeAt(url: string, keyspace: string, forMs: number): Promise<void> {
    let missing: string[] = [];
    for (const untilMs = performance.now() + forMs; performance.now() < untilMs; await sleep(300)) {
      missing = await this.missingAt(url, keyspace).catch(() => ['all']);
      if (missing.length === 0) return;
    }
    promise(false, `${missing.length} acked rows are missing at ${url}`);
  }
}
