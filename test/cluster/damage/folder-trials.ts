/** One of three embedded sites is killed, a file of its folder is damaged, and it is started again. */

import { cp, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeBack } from '@tidemark/cli/drill/returned';
import type { Stage } from '@tidemark/cli/drill/stage';
import type { DevSite } from '@tidemark/dev/sites';
import { messageOf } from '@tidemark/platform/fault';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { filesIn, HARMS, harm } from './harm.ts';
import { type End, kindOf, lastTroubles, rowsWhenLevel, write, wrongRows } from './rows.ts';

const ROWS_FIRST = 4_000;
const ROWS_EACH = 40;
const LOOKED_AT = 12;
const BACK_MS_MAX = 90_000;
const LEVEL_MS_MAX = 40_000;

export type FolderTrialsParts = {
  readonly stage: Stage;
  readonly random: Random;
  /** Where older copies are kept. */
  readonly copies: string;
  readonly say: (line: string) => void;
  readonly kind: string | null;
};

export class FolderTrials {
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #copies: string;
  #rows = 0;
  readonly table = new Map<string, Map<End, number>>();

  readonly #say: (line: string) => void;
  readonly #kind: string | null;

  /** @param kind of files, to damage no other; null: all */
  constructor({ stage, random, copies, say, kind }: FolderTrialsParts) {
    this.#stage = stage;
    this.#random = random;
    this.#copies = copies;
    this.#say = say;
    this.#kind = kind;
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
    return (await rowsWhenLevel(this.#stage, this.#rows, LEVEL_MS_MAX)) !== null;
  }

  async finish(): Promise<void> {}

  async one(number: number): Promise<void> {
    const random = this.#random;
    await this.#more();
    const { sites } = this.#stage;
    const site = sites[integerBetween(random, 0, sites.length - 1)]!;
    const kinds = Map.groupBy(await filesIn(site.folder), kindOf);
    for (const none of ['site.log', 'lock.db', 'lock.pid']) kinds.delete(none);
    const isWanted = (kind: string): boolean => (this.#kind === null ? !kind.endsWith('.tmp') : kind === this.#kind);
    const names = [...kinds.keys()].filter(isWanted).sort();
    const kind = names[integerBetween(random, 0, names.length - 1)]!;
    const paths = kinds.get(kind)!.sort();
    const path = paths[integerBetween(random, 0, paths.length - 1)]!;
    const how = HARMS[integerBetween(random, 0, HARMS.length - 1)]!;
    await site.kill();
    const what = await harm(site.folder, join(this.#copies, site.name), path, how, random);
    const [end, why] = await this.#back(site);
    this.#say(`${number}: ${site.name} ${path}: ${what}: ${end}${why === '' ? '' : `: ${why}`}`);
    if (end === 'SILENT' || end === 'WRONG') for (const one of sites) this.#say(await lastTroubles(one));
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
        if (await this.#level()) return ['command', ''];
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
    this.#say(`${site.name} did what it said, and is level again`);
  }
}
