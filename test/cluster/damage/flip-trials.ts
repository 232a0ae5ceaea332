/**
 * A site alone, in this process: while it is stopped one bit of one of its files is flipped, or a file is cut or taken away,
 * and it is started again.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFault, messageOf } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { readConfig } from '@tidemark/site/config/config';
import { type RunningSite, startSite } from '@tidemark/site/site';
import { filesIn, harm } from './harm.ts';
import { type End, kindOf } from './rows.ts';

const ROWS = 400;
const ROWS_UNFLUSHED = 40;
/** By then a memtable has become column files. */
const FLUSHED_MS = 11_000;
const BACK_MS_MAX = 8_000;
const LOOK_MS = 20;
const KEYSPACE = {
  ...{ keyspace: 'travel', primary: 'paris', ack: 'local', partitions: 2, sites: { paris: 'data' } },
  tables: {
    t: { columns: { k: 'string', n: 'int', x: 'double', w: 'string' }, partitionKey: 'k', dynamicColumns: { max: 64 } },
  },
};
const rowOf = (n: number) => {
  return { k: `k${n}`, n: (n * 7_919) % 1_000, x: n / 8, w: `word ${n % 13}`, [`few${n % 40}`]: n };
};

const withoutNulls = (row: object) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));

type FlipTrialsParts = {
  readonly folder: string;
  readonly random: Random;
  readonly kind: string | null;
  readonly say: (line: string) => void;
};

export class FlipTrials {
  readonly table = new Map<string, Map<End, number>>();
  readonly #folder: string;
  readonly #random: Random;
  readonly #kind: string | null;
  readonly #say: (line: string) => void;
  /** Path → bytes, as the site left them. */
  readonly #files = new Map<string, Buffer>();
  readonly #kinds = new Map<string, string[]>();
  #fatal: unknown = null;
  /** What the site complained of since it was started. */
  #said: string[] = [];

  constructor({ folder, random, kind, say }: FlipTrialsParts) {
    this.#folder = folder;
    this.#random = random;
    this.#kind = kind;
    this.#say = say;
  }

  async prepare(): Promise<void> {
    const site = await this.#start();
    await this.#until(site, async () => (await this.#send(site, 'PUT', '/v1/keyspaces/travel', KEYSPACE)).status < 300);
    await this.#write(site, 0, ROWS / 2);
    await this.#write(site, ROWS / 4, ROWS);
    await sleep(FLUSHED_MS);
    await this.#write(site, ROWS, ROWS + ROWS_UNFLUSHED);
    await site.stop();
    for (const path of (await filesIn(this.#folder)).sort()) {
      const bytes = await readFile(join(this.#folder, path));
      this.#files.set(path, bytes);
      const kind = kindOf(path);
      // What says that a process runs is made again by each.
      if (bytes.length === 0 || kind.startsWith('lock.') || (this.#kind !== null && kind !== this.#kind)) continue;
      this.#kinds.set(kind, [...(this.#kinds.get(kind) ?? []), path]);
    }
  }

  async one(number: number): Promise<void> {
    const random = this.#random;
    const pick = <T>(of: readonly T[]): T => of[integerBetween(random, 0, of.length - 1)]!;
    const kind = pick([...this.#kinds.keys()]);
    const path = pick(this.#kinds.get(kind)!);
    const what = await harm(this.#folder, '', path, pick(['flip', 'flip', 'flip', 'cut', 'gone']), random);
    const [end, why] = await this.#back();
    if (end !== 'itself') this.#say(`${number}: ${path}: ${what}: ${end}: ${why}`);
    const ends = this.table.get(kind) ?? new Map<End, number>();
    this.table.set(kind, ends.set(end, (ends.get(end) ?? 0) + 1));
    await rm(this.#folder, { recursive: true });
    for (const [file, bytes] of this.#files) {
      await mkdir(dirname(join(this.#folder, file)), { recursive: true });
      await writeFile(join(this.#folder, file), bytes);
    }
  }

  /** What it answers for all rows until that is all of them, or for as long as it says why not. */
  async #back(): Promise<readonly [End, string]> {
    this.#fatal = null;
    this.#said = [];
    let site: RunningSite;
    try {
      site = await this.#start();
    } catch (error) {
      return isFault(error) ? ['told', messageOf(error)] : ['SILENT', String((error as Error).stack)];
    }
    try {
      let why = '';
      for (const untilMs = performance.now() + BACK_MS_MAX; performance.now() < untilMs; await sleep(LOOK_MS)) {
        if (this.#fatal !== null)
          return isFault(this.#fatal) ? ['told', messageOf(this.#fatal)] : ['SILENT', String(this.#fatal)];
        const wrong = await this.#wrong(site);
        if (wrong === null) return ['itself', ''];
        // What is in the log alone has no other copy: where that is damaged, the site has to say so.
        const told = this.#said.find((words) => words.includes('log.paris'));
        if (wrong.startsWith('LOST')) return told === undefined ? ['WRONG', wrong] : ['told', `${wrong}: ${told}`];
        if (wrong.startsWith('WRONG')) return ['WRONG', wrong];
        why = wrong;
      }
      const ready = await this.#send(site, 'GET', '/readyz');
      return ready.status === 503 || /readmit|rebuild|put the log back|tidemark [a-z]/.test(why)
        ? ['told', `${why}; ${ready.text}`]
        : ['SILENT', why];
    } finally {
      await site.stop();
    }
  }

  /** Null: all rows are right, one by one and together. Else what is wrong, or why it does not answer. */
  async #wrong(site: RunningSite): Promise<string | null> {
    const all = await this.#send(site, 'POST', '/v1/travel/t/scan', {});
    if (all.status !== 200) return `${all.status} ${all.text.slice(0, 300)}`;
    const found = new Map<string, unknown>();
    for (const line of all.text.trim().split('\n')) {
      const row = JSON.parse(line) as { readonly k?: string; readonly $end?: object };
      // A scan that finds damage under way ends with a line that says so.
      if (row.k === undefined && row.$end === undefined) return line.slice(0, 300);
      if (row.k !== undefined) found.set(row.k, withoutNulls(row));
    }
    for (let n = 0; n < ROWS + ROWS_UNFLUSHED; n++) {
      const got = JSON.stringify(found.get(`k${n}`));
      if (got === undefined && n >= ROWS) return `LOST row ${n} of a scan of ${found.size}`;
      if (got !== JSON.stringify(rowOf(n))) return `WRONG row ${n} of a scan of ${found.size}: ${got}`;
    }
    if (found.size !== ROWS + ROWS_UNFLUSHED) return `WRONG: ${found.size} rows`;
    const n = integerBetween(this.#random, 0, ROWS + ROWS_UNFLUSHED - 1);
    const one = await this.#send(site, 'GET', `/v1/travel/t/rows/k${n}`);
    if (one.status !== 200) return one.status >= 500 ? `${one.status} ${one.text}` : `WRONG row ${n}: ${one.status}`;
    const row = JSON.stringify(withoutNulls(JSON.parse(one.text) as object));
    return row === JSON.stringify(rowOf(n)) ? null : `WRONG row ${n}: ${one.text}`;
  }

  async #write(site: RunningSite, from: number, to: number): Promise<void> {
    const rows = Array.from({ length: to - from }, (_, i) => rowOf(from + i));
    await this.#until(site, async () => (await this.#send(site, 'POST', '/v1/travel/t/rows', { rows })).status === 200);
  }

  async #until(site: RunningSite, holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      if (this.#fatal !== null) throw new Error(`${site.site} ended: ${String(this.#fatal)}`);
      await sleep(LOOK_MS);
    }
  }

  async #send(
    site: RunningSite,
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; text: string }> {
    const headers = { 'content-type': 'application/json' };
    try {
      const request = { method, ...(body === undefined ? {} : { headers, body: JSON.stringify(body) }) };
      const answer = await fetch(`${site.url}${path}`, request);
      return { status: answer.status, text: await answer.text() };
    } catch (error) {
      // What is found while an answer is under way cuts it off.
      return { status: 0, text: `cut off: ${messageOf(error)}` };
    }
  }

  #start(): Promise<RunningSite> {
    const folder = this.#folder;
    const sites = { paris: { log: `sqlite:${folder}/log.db`, board: `file:${folder}/board.json` } };
    const flags = { site: 'paris', listen: '127.0.0.1:0', data: folder, sites: JSON.stringify(sites) };
    const onFatal = (error: unknown): void => {
      this.#fatal ??= error;
    };
    const say = (_fields: object, words: string): number => this.#said.push(words);
    return startSite(readConfig({ flags }), { logger: { ...SILENT, warn: say, error: say }, onFatal });
  }
}
