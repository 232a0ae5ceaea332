/** For tests: paris, tokyo and quito on the embedded engine, all in this process, in a folder of their own. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegisterAnswer } from '@tidemark/control/consensus/register-request';
import { readConfig } from '../config/config.ts';
import { type RunningSite, type SiteOptions, startSite } from '../site.ts';
import { type Answer, askAt, send, untilDone } from './asking.ts';

export const SITE_NAMES = ['paris', 'tokyo', 'quito'] as const;

export class EmbeddedSites implements AsyncDisposable {
  readonly folder: string;
  readonly running = new Map<string, RunningSite>();
  readonly #settings: object;

  private constructor(folder: string, settings: object) {
    this.folder = folder;
    this.#settings = settings;
  }

  /** @param settings of every site, beside what tells it who and where it is */
  static async make(settings: object = {}): Promise<EmbeddedSites> {
    return new EmbeddedSites(await mkdtemp(join(tmpdir(), 'tidemark-sites-')), settings);
  }

  /**
   * No URL is configured: the sites find each other by their heartbeats, whatever ports they get.
   * @param data its folder; in another one it is a second process of the site, which the caller stops
   * @param urls of those that this one is told of all the same: with a wrong clock it takes heartbeats for old
   */
  async start(
    name: string,
    {
      urls = {},
      data = name,
      ...options
    }: Pick<SiteOptions, 'clock' | 'logger' | 'onFatal'> & {
      readonly urls?: Readonly<Record<string, string>>;
      readonly data?: string;
    } = {},
  ): Promise<RunningSite> {
    const { folder } = this;
    const placeOf = (site: string) => {
      const url = urls[site] ?? null;
      return { log: `sqlite:${folder}/${site}/log.db`, board: `file:${folder}/${site}/board.json`, url };
    };
    const settings = {
      ...{ site: name, listen: '127.0.0.1:0', data: `${folder}/${data}` },
      sites: Object.fromEntries(SITE_NAMES.map((site) => [site, placeOf(site)])),
      ...this.#settings,
    };
    const config = readConfig({ file: { path: join(folder, 'tidemark.json'), text: JSON.stringify(settings) } });
    const onFatal = (error: unknown): void => {
      throw error;
    };
    const site = await startSite(config, { onFatal, ...options });
    if (data === name) this.running.set(name, site);
    return site;
  }

  async startAll(): Promise<void> {
    for (const name of SITE_NAMES) await this.start(name);
  }

  async stop(name: string): Promise<void> {
    await this.running.get(name)?.stop();
    this.running.delete(name);
  }

  /** Asks a site to stand for election, by the register's value as its own vote says it. */
  async nominate(site: string, keyspace: string, asked: object): Promise<Answer> {
    const read = await this.ask(site, `/v1/internal/register/${keyspace}`, send('POST', { kind: 'read' }));
    const { accepted } = read.body as RegisterAnswer;
    const body = { ...asked, version: accepted?.value.version ?? 0 };
    return this.ask(site, `/v1/internal/nominate/${keyspace}`, send('POST', body));
  }

  /** Defines a keyspace at its primary, as soon as that takes it. */
  define(file: {
    readonly keyspace: string;
    readonly primary: string;
    readonly [more: string]: unknown;
  }): Promise<void> {
    return untilDone(async () => {
      const { status } = await this.ask(file.primary, `/v1/keyspaces/${file.keyspace}`, send('PUT', file));
      assert(status < 300, `keyspace ${file.keyspace}: ${status}`);
    });
  }

  ask(site: string, path: string, request?: RequestInit): Promise<Answer> {
    return askAt(this.running.get(site)!.url, path, request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const site of this.running.values()) await site.stop();
    this.running.clear();
    await rm(this.folder, { recursive: true, force: true });
  }
}
