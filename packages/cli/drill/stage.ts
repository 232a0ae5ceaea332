/** Three sites of this machine on which something is about to go wrong: started, with a keyspace, and taken down again. */

import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Links } from '@tidemark/dev/links/links';
import type { Reaper } from '@tidemark/dev/reaper';
import { type DevSite, type Engine, siteNames, startSites } from '@tidemark/dev/sites';
import { type KeyspaceFile, parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { Fault } from '@tidemark/platform/fault';
import { getJson } from '../demo/site-facts.ts';

const KEYSPACE_FILE = fileURLToPath(new URL('../../../examples/travel.json', import.meta.url));
const DEFINE_MS_MAX = 60_000;
const POLL_MS = 20;

/** The table every drill writes to, whatever the keyspace is called. */
export const TABLE = 'flights';

type StageOptions = {
  /** As in `SitesOptions`. */
  readonly program: string;
  readonly engine: Engine;
  readonly folder: string;
  readonly reaper: Reaper;
  readonly say: (line: string) => void;
  /** True: the sites reach each other through links that can be cut. Needs Kafka. */
  readonly links?: boolean;
  /** Fields of the keyspace file that differ from examples/travel.json. */
  readonly keyspace?: Readonly<Record<string, unknown>>;
  /** Settings of the sites, as `TIDEMARK_*` has them. */
  readonly env?: Readonly<Record<string, string>>;
};

/** Running sites with a keyspace on them; disposing it stops the sites. */
export class Stage implements AsyncDisposable {
  readonly sites: readonly DevSite[];
  /** Null where the sites reach each other directly. */
  readonly links: Links | null;
  readonly file: KeyspaceFile;
  readonly engine: Engine;
  readonly #base: object;

  private constructor(sites: readonly DevSite[], links: Links | null, base: object, engine: Engine) {
    this.sites = sites;
    this.links = links;
    this.file = parseKeyspaceFile(base);
    this.engine = engine;
    this.#base = base;
  }

  /** Everything runs and the keyspace is known at every site when this resolves. It ends with the reaper. */
  static async open(options: StageOptions): Promise<Stage> {
    const { program, engine, folder, reaper, say, env } = options;
    const json = JSON.parse(await readFile(KEYSPACE_FILE, 'utf8')) as object;
    const base = { ...json, ...options.keyspace };
    const count = Object.keys(parseKeyspaceFile(base).sites).length;
    const links = options.links === true ? await Links.open(siteNames(count)) : null;
    const sites = await startSites({
      ...{ program, engine, count, folder, reaper, firstPort: null },
      onProgress: (what) => say(`starting ${what}`),
      ...(env === undefined ? {} : { env }),
      ...(links === null ? {} : { links }),
    });
    const stage = new Stage(sites, links, base, engine);
    await stage.#define();
    return stage;
  }

  /** The same sites with one more keyspace, which is known at all of them when this resolves. */
  async with(keyspace: Readonly<Record<string, unknown>> & { readonly keyspace: string }): Promise<Stage> {
    const stage = new Stage(this.sites, this.links, { ...this.#base, ...keyspace }, this.engine);
    await stage.#define();
    return stage;
  }

  /** Its name. */
  get keyspace(): string {
    return this.file.keyspace;
  }

  /** Of the sites that hold data. */
  get urls(): string[] {
    return this.sites.filter(({ name }) => this.file.sites[name] === 'data').map((site) => site.url);
  }

  /** @throws {Fault} `invalid`: there is no such site. */
  site(name: string): DevSite {
    const found = this.sites.find((site) => site.name === name);
    if (found !== undefined) return found;
    const expected = this.sites.map((site) => site.name).join(', ');
    throw new Fault('invalid', `site "${name}", expected one of ${expected}`, { got: name, expected });
  }

  others(name: string): DevSite[] {
    return this.sites.filter((site) => site.name !== name);
  }

  /**
   * The site that says it writes the keyspace, of several the one of the latest epoch.
   * @throws {Fault} `unavailable`: none within `msMax`
   */
  async primary(msMax: number): Promise<Primary> {
    for (const untilMs = performance.now() + msMax; performance.now() < untilMs; await sleep(POLL_MS)) {
      const seen = await Promise.all(this.sites.map((site) => claimOf(site, this.keyspace)));
      const [latest] = seen.filter((one) => one !== null).sort((a, b) => b.epoch - a.epoch);
      if (latest !== undefined) return latest;
    }
    throw new Fault('unavailable', `no site became the primary of ${this.keyspace} within ${msMax} ms`);
  }

  /** The first site that says it writes the keyspace in a later epoch, as soon as it says so; null: none in `msMax`. */
  async successor(before: Primary, msMax: number): Promise<Primary | null> {
    const isLater = async (site: DevSite): Promise<Primary> => {
      const seen = await claimOf(site, this.keyspace);
      if (seen !== null && seen.epoch > before.epoch) return seen;
      throw new Fault('unavailable', `${site.name} is no later primary`);
    };
    for (const untilMs = performance.now() + msMax; performance.now() < untilMs; await sleep(POLL_MS)) {
      const found = await Promise.any(this.sites.map(isLater)).catch(() => null);
      if (found !== null) return found;
    }
    return null;
  }

  /** As `successor`. @throws {Fault} `unavailable`: none in `msMax` */
  async mustSucceed(before: Primary, msMax: number): Promise<Primary> {
    const found = await this.successor(before, msMax);
    if (found !== null) return found;
    throw new Fault('unavailable', `nobody took over from ${before.site} (epoch ${before.epoch}) within ${msMax} ms`);
  }

  async #define(): Promise<void> {
    const url = `${this.site(this.file.primary).url}/v1/keyspaces/${this.keyspace}`;
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(this.file) });
    if (!response.ok) throw new Fault('unavailable', `PUT ${url}: ${response.status} ${await response.text()}`);
    const untilMs = performance.now() + DEFINE_MS_MAX;
    for (const site of this.sites) {
      while (!(await answersOk(`${site.url}/v1/keyspaces/${this.keyspace}`)) && performance.now() < untilMs) {
        await sleep(POLL_MS);
      }
    }
    await this.primary(DEFINE_MS_MAX);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.sites.map((site) => site.stop()));
    await this.links?.[Symbol.asyncDispose]();
  }
}

/** Who writes the keyspace, and since when this process knows it (its wall clock). */
export type Primary = { readonly site: string; readonly epoch: number; readonly seenAtMs: number };

const CLAIM_WAIT_MS = 2_000;

async function claimOf(site: DevSite, keyspace: string): Promise<Primary | null> {
  if (!site.isRunning) return null;
  try {
    const { epoch } = await getJson<{ epoch: number | null }>(
      `${site.url}/primary?keyspace=${keyspace}`,
      CLAIM_WAIT_MS,
    );
    return { site: site.name, epoch: epoch ?? 0, seenAtMs: Date.now() };
  } catch {
    return null;
  }
}

async function answersOk(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  );
}
