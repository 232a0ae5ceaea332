/**
 * `npm run damage -- --trials 300 --seed 1 [--kind log.db]`: three real sites on the embedded engine; one of them is killed, one of its files
 * is damaged (a flipped byte, a cut, gone, an older copy), and it is started again. Whatever it answers for a row is that row
 * or a refusal; it comes back by itself, or says why it does not. A table by kind of file goes to standard output; exit 1 when
 * a wrong row was served or a site stayed away without a reason.
 */

import { copyFile, cp, mkdir, open, readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { equalDigests } from '@tidemark/cli/demo/site-facts';
import { takeBack } from '@tidemark/cli/drill/returned';
import { Stage, TABLE } from '@tidemark/cli/drill/stage';
import { connect } from '@tidemark/client';
import { table } from '@tidemark/client/table';
import { Reaper } from '@tidemark/dev/reaper';
import type { DevSite } from '@tidemark/dev/sites';
import { messageOf } from '@tidemark/platform/fault';
import { integerBetween, type Random, SeededRandom } from '@tidemark/platform/random';

const ROWS_FIRST = 4_000;
const ROWS_EACH = 40;
const LOOKED_AT = 12;
const BACK_MS_MAX = 90_000;
const LEVEL_MS_MAX = 40_000;
const POLL_MS = 250;
const HARMS = ['flip', 'flip', 'flip', 'cut', 'gone', 'older'] as const;
type Harm = (typeof HARMS)[number];
/** `itself`: it was level again without anybody; `return`: after that command; `told`: it stays away, and says why. */
type End = 'itself' | 'return' | 'told' | 'WRONG' | 'SILENT';

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string' },
  },
});

function say(line: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1).padStart(7)} s  ${line}\n`);
}

const keyOf = (i: number): string => `A${i % 7}/2001-01-10T18:20:00.000Z/X/${i}`;
const delayOf = (i: number): number => (i * 7_919) % 1_000;

const FLIGHTS = table('travel.flights', {
  columns: { origin: 'string', date: 'string', destination: 'string', line: 'int', delay: 'int', distance: 'int' },
  partitionKey: 'origin',
  sortKey: ['date', 'destination', 'line'],
});

/** A row as a client writes it. */
function rowOf(i: number) {
  const [origin, date, destination] = keyOf(i).split('/') as [string, string, string];
  return { origin, date, destination, line: i, delay: delayOf(i), distance: i };
}

async function write(stage: Stage, from: number, to: number): Promise<void> {
  await using db = await connect(stage.urls, { timeoutMs: 60_000 });
  for (let i = from; i < to; i += 1_000) {
    const rows = Array.from({ length: Math.min(1_000, to - i) }, (_, n) => rowOf(i + n));
    await db.putMany(FLIGHTS, rows);
  }
}

/** Of some rows, those that a site answers otherwise than they are, in words. What it refuses to answer is not wrong. */
async function wrongRows(site: DevSite, keyspace: string, rows: readonly number[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const i of rows) {
    const url = `${site.url}/v1/${keyspace}/${TABLE}/rows/${keyOf(i).split('/').map(encodeURIComponent).join('/')}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) }).catch(() => null);
    if (answer === null || answer.status >= 500) continue;
    const text = await answer.text();
    const delay = answer.ok ? (JSON.parse(text) as { delay?: unknown }).delay : `status ${answer.status}`;
    if (delay !== delayOf(i)) wrong.push(`row ${i}: ${delay}, expected ${delayOf(i)}`);
  }
  return wrong;
}

async function filesIn(folder: string, path = ''): Promise<string[]> {
  const entries = await readdir(join(folder, path), { withFileTypes: true });
  const nested = entries.map((entry) => {
    const at = join(path, entry.name);
    return entry.isDirectory() ? filesIn(folder, at) : Promise.resolve([at]);
  });
  return (await Promise.all(nested)).flat();
}

/** Files of one kind have one name, without numbers. */
const kindOf = (path: string): string =>
  path
    .replace(/\d+-\w+(?=\.col)/, 'column')
    .replace(/\d+/g, '#')
    .replace(/^.*\//, '');

async function harm(folder: string, before: string, path: string, how: Harm, random: Random): Promise<string> {
  const target = join(folder, path);
  const { size } = await stat(target);
  if (how === 'gone') await rm(target);
  if (how === 'cut') await truncate(target, integerBetween(random, 0, Math.max(0, size - 1)));
  if (how === 'older') {
    // Of a file that there was not then, no copy is put back.
    await copyFile(join(before, path), target).catch(() => rm(target));
  }
  if (how !== 'flip' || size === 0) return how;
  const file = await open(target, 'r+');
  const [at, bit] = [integerBetween(random, 0, size - 1), integerBetween(random, 0, 7)];
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = byte[0]! ^ (1 << bit);
  await file.write(byte, 0, 1, at);
  await file.close();
  return `flip of bit ${bit} at ${at} of ${size}`;
}

class Trials {
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #copies: string;
  #rows = 0;
  readonly table = new Map<string, Map<End, number>>();

  constructor(stage: Stage, random: Random, copies: string) {
    this.#stage = stage;
    this.#random = random;
    this.#copies = copies;
  }

  async prepare(): Promise<void> {
    await write(this.#stage, 0, ROWS_FIRST);
    this.#rows = ROWS_FIRST;
    await this.#level();
    // So that column files are there, and not only memtables.
    await sleep(11_000);
    for (const { name, folder } of this.#stage.sites) await cp(folder, join(this.#copies, name), { recursive: true });
    await this.#more();
  }

  async #more(): Promise<void> {
    await write(this.#stage, this.#rows, this.#rows + ROWS_EACH);
    this.#rows += ROWS_EACH;
  }

  async #level(): Promise<boolean> {
    const { urls, keyspace } = this.#stage;
    // A site that finds damage while it is compared refuses, and builds what is damaged again.
    for (const untilMs = performance.now() + LEVEL_MS_MAX; performance.now() < untilMs; await sleep(POLL_MS)) {
      if ((await equalDigests(urls, keyspace, TABLE, this.#rows).catch(() => null)) !== null) return true;
    }
    return false;
  }

  async one(number: number): Promise<void> {
    const random = this.#random;
    await this.#more();
    const { sites } = this.#stage;
    const site = sites[integerBetween(random, 0, sites.length - 1)]!;
    const kinds = Map.groupBy(await filesIn(site.folder), kindOf);
    for (const none of ['site.log', 'lock.db', 'lock.pid']) kinds.delete(none);
    const isWanted = (kind: string): boolean =>
      values.kind === undefined ? !kind.endsWith('.tmp') : kind === values.kind;
    const names = [...kinds.keys()].filter(isWanted).sort();
    const kind = names[integerBetween(random, 0, names.length - 1)]!;
    const paths = kinds.get(kind)!.sort();
    const path = paths[integerBetween(random, 0, paths.length - 1)]!;
    const how = HARMS[integerBetween(random, 0, HARMS.length - 1)]!;
    await site.kill();
    const what = await harm(site.folder, join(this.#copies, site.name), path, how, random);
    const [end, why] = await this.#back(site);
    say(`${number}: ${site.name} ${path}: ${what}: ${end}${why === '' ? '' : `: ${why}`}`);
    const ends = this.table.get(kind) ?? new Map<End, number>();
    ends.set(end, (ends.get(end) ?? 0) + 1);
    this.table.set(kind, ends);
    if (end === 'told' || end === 'SILENT') await this.#anew(site);
  }

  /** Starts it, watches what it says of rows, and waits until it is level. */
  async #back(site: DevSite): Promise<readonly [End, string]> {
    const { keyspace } = this.#stage;
    const looked = Array.from({ length: LOOKED_AT }, () => integerBetween(this.#random, 0, this.#rows - 1));
    const watching = new AbortController();
    const wrong: string[] = [];
    const watch = (async () => {
      while (!watching.signal.aborted) {
        wrong.push(...(await wrongRows(site, keyspace, looked)));
        await sleep(50);
      }
    })();
    const [end, why] = await this.#come(site);
    if (end !== 'told') wrong.push(...(await wrongRows(site, keyspace, looked)));
    watching.abort();
    await watch;
    return wrong.length > 0 ? ['WRONG', wrong.slice(0, 3).join('; ')] : [end, why];
  }

  async #come(site: DevSite): Promise<readonly [End, string]> {
    for (let turn = 0; ; turn++) {
      try {
        await site.start();
        break;
      } catch (error) {
        const answer = await fetch(`${site.url}/readyz`).catch(() => null);
        if (answer !== null) return ['told', (await answer.text()).slice(0, 300)];
        if (turn === 4) return ['SILENT', messageOf(error).slice(0, 300)];
      }
    }
    if (await this.#level()) return ['itself', ''];
    const untilMs = performance.now() + BACK_MS_MAX;
    let why = '';
    while (performance.now() < untilMs) {
      try {
        await takeBack(site, this.#stage.keyspace);
        if (await this.#level()) return ['return', ''];
      } catch (error) {
        why = messageOf(error);
      }
    }
    return ['SILENT', why];
  }

  /** What a site that stays away says to do: its log is moved away; it is filled again. */
  async #anew(site: DevSite): Promise<void> {
    await site.kill();
    const away = join(this.#copies, 'away');
    await mkdir(away, { recursive: true });
    for (const file of ['log.db', 'log.db-wal', 'log.db-shm'])
      await rename(join(site.folder, file), join(away, file)).catch(() => undefined);
    await site.start();
    const { url } = this.#stage.others(site.name)[0]!;
    const at = `${url}/v1/watchdog/${this.#stage.keyspace}/readmit`;
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ site: site.name });
    for (let turn = 0; turn < 10; turn++) {
      const answer = await fetch(at, { method: 'POST', headers, body });
      if (answer.ok) break;
      await sleep(1_000);
    }
    await takeBack(site, this.#stage.keyspace);
    if (!(await this.#level())) throw new Error(`${site.name} is not level again after what it said to do`);
    say(`${site.name} did what it said, and is level again`);
  }
}

const trials = Number(values.trials);
await using reaper = Reaper.start();
const folder = await reaper.scratchFolder('damage');
const env = { TIDEMARK_FAILOVER_EVERY_MS_MIN: '0' };
const stage = await Stage.open({ engine: 'embedded', folder: join(folder, 'sites'), reaper, say, env });
const held = new Trials(stage, new SeededRandom(Number(values.seed)), join(folder, 'copies'));
await held.prepare();
for (let number = 1; number <= trials; number++) await held.one(number);
const ends: readonly End[] = ['itself', 'return', 'told', 'WRONG', 'SILENT'];
console.log(`| file | ${ends.join(' | ')} |\n|---|${ends.map(() => '---|').join('')}`);
for (const [kind, counts] of [...held.table].sort()) {
  console.log(`| ${kind} | ${ends.map((end) => counts.get(end) ?? 0).join(' | ')} |`);
}
const isBroken = [...held.table.values()].some((counts) => counts.has('WRONG') || counts.has('SILENT'));
await stage[Symbol.asyncDispose]();
process.exit(isBroken ? 1 : 0);
