/** Several sites on this machine, each a process of its own, on the embedded engine or on real Kafka and Redis. */

import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { existingKafka, existingRedis } from './existing.ts';
import { canListen, freePort } from './free-port.ts';
import { KafkaServer } from './kafka/kafka.ts';
import type { Links } from './links/links.ts';
import type { Reaper } from './reaper.ts';
import { RedisServer } from './redis/redis.ts';
import { ServerProcess } from './server-process.ts';

/** What stands behind a site: SQLite and files, or real Kafka and Redis. */
export type Engine = 'embedded' | 'kafka';

const NAMES = ['paris', 'tokyo', 'quito', 'oslo', 'perth', 'lagos', 'lima', 'dakar', 'osaka'] as const;
const READY_WAIT_MS = 60_000;
const PORT_STEP = 10;
/** From the port for clients to the one for other sites. */
const PEER_STEP = 1;

/** Which sites to start, and where. */
export type SitesOptions = {
  /** The command's file: its `serve` runs a site. */
  readonly program: string;
  readonly engine: Engine;
  readonly count: number;
  /** Holds everything: each site's data and configuration, the brokers' data. Made where it is missing. */
  readonly folder: string;
  readonly reaper: Reaper;
  /** HTTP port of the first site, the others ten apart, with the one for other sites behind each; null for free ones. */
  readonly firstPort: number | null;
  /** Told what is being waited for. */
  readonly onProgress?: (what: string) => void;
  /** Settings beside those that follow from the engine, as `TIDEMARK_*` has them. */
  readonly env?: Readonly<Record<string, string>>;
  /** What the sites reach each other through; directly when it is left out. */
  readonly links?: Links;
};

type Ports = { readonly http: number; readonly peer: number };

/** One site: its process, and its Kafka and Redis where they were started for it. */
export class DevSite {
  readonly name: string;
  readonly url: string;
  /** Where other sites ask it. */
  readonly peerUrl: string;
  readonly folder: string;
  readonly kafka: KafkaServer | null;
  readonly redis: RedisServer | null;
  readonly #options: SitesOptions;
  #process: ServerProcess | null = null;

  constructor(name: string, ports: Ports, options: SitesOptions, kafka: KafkaServer | null, redis: RedisServer | null) {
    this.name = name;
    this.url = `http://127.0.0.1:${ports.http}`;
    this.peerUrl = `http://127.0.0.1:${ports.peer}`;
    this.folder = join(options.folder, name);
    this.#options = options;
    this.kafka = kafka;
    this.redis = redis;
  }

  get configFile(): string {
    return join(this.#options.folder, `${this.name}.json`);
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning ?? false;
  }

  /**
   * Starts the site's own process.
   * @param env added to its environment, this time
   * @throws {Fault} `unavailable`: it ended; its last output is in the message
   */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    this.#process = await ServerProcess.start({
      name: 'site',
      program: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', this.#options.program, 'serve', '--config', this.configFile],
      folder: this.folder,
      reaper: this.#options.reaper,
      env: { NODE_COMPILE_CACHE: join(this.#options.folder, 'compiled'), ...this.#options.env, ...env },
    });
    await this.#process.waitUntil(() => answers(`${this.url}/readyz`), READY_WAIT_MS);
    // Somebody else may answer in the place of a process that has ended.
    if (!this.isRunning) throw await this.endFault();
  }

  /** kill −9 of the site's process; its Kafka and Redis live on. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** kill −9 of everything the site has. */
  async killAll(): Promise<void> {
    await Promise.all([this.kill(), this.kafka?.kill(), this.redis?.kill()]);
  }

  /** Starts whatever of the site does not run. */
  async startAll(): Promise<void> {
    await Promise.all([this.kafka?.restart(), this.redis?.restart()]);
    await this.start();
  }

  /**
   * The site is lost: everything it has is killed with −9, and what others could still read of it is out of reach. On
   * the embedded engine that is its folder, which is moved away; a broker that is dead is out of reach as it is.
   */
  async takeAway(): Promise<void> {
    await this.killAll();
    if (this.kafka === null) await rename(this.folder, this.#awayFolder);
  }

  /** It is found again, as it was when it was lost. */
  async bringBack(): Promise<void> {
    if (this.kafka === null) await rename(this.#awayFolder, this.folder);
    await this.startAll();
  }

  get #awayFolder(): string {
    return `${this.folder}.away`;
  }

  /** Why its process runs no more. */
  async endFault(): Promise<Fault> {
    return this.#process?.endFault() ?? new Fault('unavailable', `${this.name} was not started`);
  }

  /** Ends the site's process in good order. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  async pause(): Promise<void> {
    await this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
    (response) => response.ok,
    () => false,
  );
}

/** Starts `count` sites with their brokers and waits until each answers. They end with the reaper. */
export async function startSites(options: SitesOptions): Promise<DevSite[]> {
  await mkdir(options.folder, { recursive: true });
  const names = siteNames(options.count);
  const existing =
    options.engine === 'kafka' ? { kafka: existingKafka(), redis: existingRedis() } : { kafka: null, redis: null };
  const sites: DevSite[] = [];
  for (const [index, name] of names.entries()) {
    const ports = await portsOf(index, name, options.firstPort);
    const settings = (what: string) => ({ folder: join(options.folder, `${what}-${name}`), reaper: options.reaper });
    const doors = names
      .filter((other) => other !== name && options.links !== undefined)
      .map((from) => ({
        name: from,
        advertisedPort: options.links!.port(from, name, 'kafka'),
      }));
    const ownKafka = options.engine === 'kafka' && existing.kafka === null;
    const ownRedis = options.engine === 'kafka' && existing.redis === null;
    const kafka = ownKafka ? await KafkaServer.prepare({ ...settings('kafka'), doors }) : null;
    const redis = ownRedis ? await RedisServer.prepare(settings('redis')) : null;
    sites.push(new DevSite(name, ports, options, kafka, redis));
  }
  if (options.engine === 'kafka') {
    options.onProgress?.(`${names.length} Kafka brokers and ${names.length} Redis`);
    await Promise.all(sites.flatMap(({ kafka, redis }) => [kafka?.start(), redis?.start()]));
  }
  if (options.links !== undefined) aimLinks(options.links, sites);
  await writeConfigs(sites, options, existing);
  options.onProgress?.(`${names.length} sites`);
  await Promise.all(sites.map((site) => site.start()));
  return sites;
}

/** @throws {Fault} `unavailable`: as `checkPort` */
async function portsOf(index: number, name: string, firstPort: number | null): Promise<Ports> {
  if (firstPort === null) return { http: await freePort(), peer: await freePort() };
  const http = firstPort + index * PORT_STEP;
  const ports = { http, peer: http + PEER_STEP };
  for (const port of Object.values(ports)) await checkPort(port, name);
  return ports;
}

/** @throws {Fault} `unavailable`: somebody else listens there, and would be taken for the site. */
async function checkPort(port: number, site: string): Promise<void> {
  if (await canListen(port)) return;
  const message = `port ${port}, for ${site}, is in use by another process: end that one, or take other ports (--port)`;
  throw new Fault('unavailable', message, { got: port });
}

/** The first `count` names that demo and dev give to sites. */
export function siteNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => NAMES[i] ?? `site-${i + 1}`);
}

type Existing = { readonly kafka: string[][] | null; readonly redis: string[] | null };

/** @throws {Fault} `invalid`: brokers that were not started here cannot be reached through links. */
function aimLinks(links: Links, sites: readonly DevSite[]): void {
  for (const to of sites) {
    for (const from of sites) {
      if (from === to) continue;
      links.aim(from.name, to.name, 'http', Number(new URL(to.url).port));
      links.aim(from.name, to.name, 'peer', Number(new URL(to.peerUrl).port));
      if (to.kafka === null || to.redis === null) {
        throw new Fault('invalid', 'links between sites need Kafka and Redis that are started for them');
      }
      links.aim(from.name, to.name, 'kafka', to.kafka.doorPort(from.name));
      links.aim(from.name, to.name, 'redis', to.redis.port);
    }
  }
}

/** Each site's `tidemark.json`; one that is there keeps what else it says, so that a folder is taken up again as it was left. */
async function writeConfigs(sites: readonly DevSite[], options: SitesOptions, existing: Existing): Promise<void> {
  const entries = sites.map((site, index) => {
    const { name, url, peerUrl } = site;
    const kafka = existing.kafka?.[index] ?? (site.kafka === null ? null : [site.kafka.address]);
    const log = kafka === null ? `sqlite:${name}/log.db` : `kafka://${kafka.join(',')}`;
    const redis = existing.redis?.[index] ?? site.redis?.address;
    return { name, log, board: redis ?? `file:${name}/board.json`, url, peerUrl };
  });
  for (const site of sites) {
    const seen = entries.map(({ name, ...entry }) => [
      name,
      options.links === undefined || name === site.name ? entry : throughLinks(options.links, site.name, name),
    ]);
    const before = await readConfig(site.configFile);
    const listens = { listen: new URL(site.url).host, peerListen: new URL(site.peerUrl).host };
    const own = { site: site.name, ...listens, data: before.data ?? site.name };
    const config = { ...before, ...own, sites: Object.fromEntries(seen) };
    await writeFile(site.configFile, `${JSON.stringify(config, null, 2)}\n`);
  }
}

/** @throws {Fault} `invalid`: it is there and no JSON. */
async function readConfig(path: string): Promise<Readonly<Record<string, unknown>>> {
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new Fault('invalid', `configuration file ${path}: ${messageOf(error)}`, { got: path, cause: error });
  }
}

/** How `from` sees the site `to`. */
function throughLinks(links: Links, from: string, to: string): Record<'log' | 'board' | 'url' | 'peerUrl', string> {
  return {
    log: `kafka://127.0.0.1:${links.port(from, to, 'kafka')}`,
    board: `redis://127.0.0.1:${links.port(from, to, 'redis')}`,
    url: `http://127.0.0.1:${links.port(from, to, 'http')}`,
    peerUrl: `http://127.0.0.1:${links.port(from, to, 'peer')}`,
  };
}
