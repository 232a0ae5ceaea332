/**
 * A client that knows one site only and follows no redirect, as one that sits in the same building. What it was acked
 * is looked for at every site afterwards; what it was not acked may be anywhere or nowhere.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { DevSite } from '@tidemark/dev/sites';
import { parseToken } from '@tidemark/model/position';

/** The table it writes to; part of the keyspace of every trial. */
export const PROBES = { columns: { k: 'string', n: 'int' }, partitionKey: 'k' } as const;

const ANSWER_MS_MAX = 1_000;
/** The site gives up a little before the client does, so that it can say what it knows. */
const SITE_MS_MAX = 800;
const EVERY_MS = 25;

export type TiedAck = { readonly row: string; readonly atMs: number; readonly epoch: number };

export class TiedClient {
  readonly acks: TiedAck[] = [];
  /** Rows that were sent and not acked. */
  readonly unacked: string[] = [];
  /** Those of them of which the site said that they may be stored (504). */
  readonly unknown: string[] = [];
  /** Status, or what was thrown → how often. */
  readonly answers = new Map<string, number>();
  readonly #site: DevSite;
  readonly #keyspace: string;
  readonly #name: string;
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(site: DevSite, keyspace: string, name: string) {
    this.#site = site;
    this.#keyspace = keyspace;
    this.#name = name;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      await this.#write(`${this.#name}-${n}`, n);
      await sleep(EVERY_MS);
    }
  }

  async #write(row: string, n: number): Promise<void> {
    const url = `${this.#site.url}/v1/${this.#keyspace}/probes/rows?timeoutMs=${SITE_MS_MAX}`;
    let answer = 'no answer';
    try {
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/json', 'idempotency-key': row },
        body: JSON.stringify({ rows: [{ k: row, n }] }),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      answer = String(response.status);
      const body = (await response.json()) as { readonly token?: string };
      if (response.ok) {
        const epochs = [...parseToken(body.token!).positions.values()].map(({ epoch }) => epoch);
        this.acks.push({ row, atMs: Date.now(), epoch: Math.max(...epochs) });
      }
    } catch {
      // No answer in time, or none at all: it may be stored.
    }
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
    if (answer !== '200') this.unacked.push(row);
    if (answer === '504') this.unknown.push(row);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Where it writes. */
  get site(): string {
    return this.#site.name;
  }

  /** `200: 40, 504: 3`. */
  get answersInWords(): string {
    return [...this.answers].map(([answer, times]) => `${answer}: ${times}`).join(', ');
  }

  /** Acked rows that a site does not have; call `stop` first. */
  async missingAt(site: DevSite): Promise<string[]> {
    const found = await this.#rowsAt(site);
    return this.acks.filter(({ row }) => !found.has(row)).map(({ row }) => `${row} at ${site.name}`);
  }

  /** Rows of this client that a site shows although they were never acked. */
  async unackedAt(site: DevSite): Promise<string[]> {
    const found = await this.#rowsAt(site);
    return this.unacked.filter((row) => found.has(row));
  }

  async #rowsAt(site: DevSite): Promise<Set<string>> {
    const response = await fetch(`${site.url}/v1/${this.#keyspace}/probes/scan`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ select: ['k'] }),
    });
    const lines = (await response.text()).trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as { readonly k?: string; readonly $end?: unknown });
    if (rows.at(-1)?.$end === undefined) throw new Error(`scan at ${site.name} did not end: ${lines.at(-1)}`);
    return new Set(rows.flatMap(({ k }) => (k === undefined ? [] : [k])));
  }
}
