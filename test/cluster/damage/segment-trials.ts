/**
 * One of three sites on Kafka ends, and its broker; a bit of a segment or index of one of its topics is flipped, and both are
 * started again. In every second trial the column files are gone as well, so that all logs have to be read from their start.
 */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeBack } from '@tidemark/cli/drill/returned';
import { type Stage, TABLE } from '@tidemark/cli/drill/stage';
import { runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect } from '@tidemark/client';
import type { DevSite } from '@tidemark/dev/sites';
import { messageOf } from '@tidemark/platform/fault';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { flip } from './harm.ts';
import { offer, untilTaken } from './ingest-rows.ts';
import { type End, lastTroubles, rowsWhenLevel, write, wrongRows } from './rows.ts';

const ROWS_FIRST = 20_000;
const ROWS_EACH = 200;
const ROWS_OFFERED = 40;
const LOOKED_AT = 12;
const LEVEL_MS_MAX = 60_000;
const READ_MS_MAX = 90_000;
const POLL_MS = 250;
const FLUSHED_MS = 11_000;
/** What was written last is in no column file yet: a site that has just been started may not show it. */
const NEWEST_ROWS = 2 * ROWS_EACH;
const TOPICS = ['log', 'log', 'mirror', 'mirror', 'mirror', 'ingest', 'control'] as const;
const ENDINGS = ['.log', '.log', '.log', '.index', '.timeindex'] as const;
const SILENT = new Output(true, { write: () => true }, { write: () => true });

export type SegmentTrialsParts = {
  readonly stage: Stage;
  readonly random: Random;
  readonly say: (line: string) => void;
  /** As `mirror .log`, to damage no other; null: all. */
  readonly kind: string | null;
};

type Target = { readonly kind: string; readonly path: string; readonly name: string };

function oneOf<T>(random: Random, all: readonly T[]): T {
  return all[integerBetween(random, 0, all.length - 1)]!;
}

export class SegmentTrials {
  readonly #parts: SegmentTrialsParts;
  #rows = 0;
  /** As the sites had them when they were level last, with what was taken from ingest topics. */
  #rowsHeld = 0;
  #nextOffered = 0;
  /** By site. */
  readonly #offered = new Map<string, number[]>();
  readonly table = new Map<string, Map<End, number>>();

  constructor(parts: SegmentTrialsParts) {
    this.#parts = parts;
  }

  async prepare(): Promise<void> {
    await this.#more(ROWS_FIRST);
    await this.#isLevel();
    // So that column files are there, and not only memtables.
    await sleep(FLUSHED_MS);
  }

  async #more(count: number): Promise<void> {
    await write(this.#parts.stage, this.#rows, this.#rows + count);
    this.#rows += count;
  }

  async #isLevel(): Promise<boolean> {
    const held = await rowsWhenLevel(this.#parts.stage, this.#rows, LEVEL_MS_MAX);
    this.#rowsHeld = Math.max(this.#rowsHeld, held ?? 0);
    return held !== null;
  }

  async one(number: number): Promise<void> {
    const { random, stage, say } = this.#parts;
    await this.#more(ROWS_EACH);
    const site = oneOf(random, stage.sites);
    const { keyspace } = stage;
    await site.kill();
    await offer(site, keyspace, this.#nextOffered, ROWS_OFFERED);
    const numbers = Array.from({ length: ROWS_OFFERED }, (_, n) => this.#nextOffered + n);
    this.#offered.set(site.name, [...(this.#offered.get(site.name) ?? []), ...numbers]);
    this.#nextOffered += ROWS_OFFERED;
    const isClean = integerBetween(random, 0, 3) > 0;
    await (isClean ? site.kafka!.stop() : site.kafka!.kill());
    const target = await this.#target(site);
    const what = await flip(target.path, random);
    const isFolded = integerBetween(random, 0, 1) === 0;
    if (isFolded) {
      for (const gone of [keyspace, join('checkpoints', 'applier', `${keyspace}.json`)])
        await rm(join(site.folder, gone), { recursive: true, force: true });
    }
    await site.kafka!.start();
    const [end, why] = await this.#back(site);
    const how = `${isClean ? 'stopped' : 'killed'}${isFolded ? ', column files gone' : ''}`;
    say(`${number}: ${site.name} ${target.name} (${how}): ${what}: ${end}${why === '' ? '' : `: ${why}`}`);
    this.#count(target.kind, end);
    if (end !== 'itself') for (const one of stage.sites) say(await lastTroubles(one));
    if (end !== 'itself' && !(await this.#isLevel())) throw new Error(`${site.name} stays away: ${why}`);
  }

  /** A file of one of the topics that has bytes. */
  async #target(site: DevSite): Promise<Target> {
    const { random, kind, stage } = this.#parts;
    const data = join(site.kafka!.folder, 'data');
    for (;;) {
      const [topic, ending] = [oneOf(random, TOPICS), oneOf(random, ENDINGS)];
      const named = `${topic} ${ending}`;
      if (kind !== null && named !== kind) continue;
      const start = topic === 'control' ? 'tidemark.control-' : `tidemark.${stage.keyspace}.${topic}`;
      const folders = (await readdir(data)).filter((name) => name.startsWith(start) && !name.includes('rejected'));
      const folder = oneOf(random, folders);
      const files = (await readdir(join(data, folder))).filter((name) => name.endsWith(ending));
      if (files.length === 0) continue;
      const path = join(data, folder, oneOf(random, files));
      if ((await stat(path)).size > 0) return { kind: named, path, name: `${folder} ${ending}` };
    }
  }

  /** Starts it, watches what it says of rows, waits until it is level, and has all its logs read. */
  async #back(site: DevSite): Promise<readonly [End, string]> {
    const { random, stage } = this.#parts;
    const looked = Array.from({ length: LOOKED_AT }, () => integerBetween(random, 0, this.#rows - NEWEST_ROWS - 1));
    const watching = new AbortController();
    const wrong: string[] = [];
    const watch = (async () => {
      while (!watching.signal.aborted) {
        wrong.push(...(await wrongRows(site, stage.keyspace, looked)));
        await sleep(50);
      }
    })();
    const [end, why] = await this.#come(site);
    if (end !== 'told') wrong.push(...(await wrongRows(site, stage.keyspace, looked)));
    watching.abort();
    await watch;
    return wrong.length > 0 ? ['WRONG', `${end} ${why} ${wrong.slice(0, 3).join('; ')}`] : [end, why];
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
    let end: End = 'itself';
    if (!(await this.#isLevel())) {
      end = 'command';
      await takeBack(site, this.#parts.stage.keyspace).catch(() => undefined);
      if (!(await this.#isLevel())) return ['SILENT', 'it is not level'];
    }
    const why = await this.#readThrough(site);
    if (why !== null) return ['SILENT', why];
    return (await this.#isLevel()) ? [end, ''] : ['SILENT', 'it is not level after its logs were read'];
  }

  /** A replay reads every log from its start: it counts every row, or says where it cannot. Null: it counts them all. */
  async #readThrough(site: DevSite): Promise<string | null> {
    const { stage } = this.#parts;
    let why = '';
    for (const untilMs = performance.now() + READ_MS_MAX; performance.now() < untilMs; ) {
      try {
        await using db = await connect([site.url], { timeoutMs: 30_000, idleMs: 30_000 });
        const job = { kind: 'replay', keyspace: stage.keyspace, table: TABLE, dryRun: true };
        const { rows } = await runJob(db, site.url, job, SILENT);
        if (typeof rows === 'number' && rows >= this.#rowsHeld) return null;
        return `replay says done with ${rows} of ${this.#rowsHeld} rows`;
      } catch (error) {
        why = messageOf(error);
        // Its own log is filled once another site leads, as it says.
        if (why.includes(`log.${site.name}/`)) await this.#lead(stage.others(site.name)[0]!.name);
      }
      await sleep(POLL_MS);
    }
    return `replay: ${why.slice(0, 300)}`;
  }

  /** Every site takes what was offered to it: a row is as it was offered, or not there, as its record was cut off or damaged. */
  async finish(): Promise<void> {
    const { stage, say } = this.#parts;
    for (const { name } of stage.sites) {
      const numbers = this.#offered.get(name) ?? [];
      await this.#lead(name);
      const found = await untilTaken(stage.site(name), stage.keyspace, numbers);
      say(`${name}: of ${numbers.length} records offered ${found.right} are rows, ${found.absent} are not`);
      if (found.wrong.length > 0) this.#count('ingest .log', 'WRONG');
      for (const wrong of found.wrong) say(`WRONG: ${wrong}`);
    }
    if (!(await this.#isLevel())) this.#count('ingest .log', 'SILENT');
  }

  async #lead(name: string): Promise<void> {
    const { stage, say } = this.#parts;
    await using db = await connect(stage.urls, { timeoutMs: LEVEL_MS_MAX, idleMs: LEVEL_MS_MAX });
    const asked = { kind: 'switchover', keyspace: stage.keyspace, to: name };
    await runJob(db, null, asked, SILENT).catch((error) => say(`switchover to ${name}: ${messageOf(error)}`));
  }

  #count(kind: string, end: End): void {
    const ends = this.table.get(kind) ?? new Map<End, number>();
    ends.set(end, (ends.get(end) ?? 0) + 1);
    this.table.set(kind, ends);
  }
}
