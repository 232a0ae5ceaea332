/**
 * One process of a site, put together from its world in the order in which it is taken apart again: writer first, then
 * mirror, applier, HTTP, watchdog, heartbeat stores, logs, the folder. `startSite` chooses the machine's own world; the simulator
 * brings another.
 */

import { Jobs } from '@tidemark/jobs/jobs';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import type { Disk } from '@tidemark/platform/disk';
import { DiskWatch } from '@tidemark/platform/disk-watch';
import { LoopLag } from '@tidemark/platform/process/loop-lag';
import { SiteCatalog } from '@tidemark/watchdog/history/catalog';
import { WatchdogService } from '@tidemark/watchdog/watchdog-service';
import type { Config } from './config/config.ts';
import { takeDataFolder } from './config/identity.ts';
import { SiteNetwork, SiteUrls } from './config/places.ts';
import { nameOfRoles } from './config/settings.ts';
import { type MachineOptions, machineWorld } from './engines.ts';
import { SiteFactsSource } from './facts.ts';
import { makeRoutes } from './http/routes.ts';
import { Keyspaces } from './keyspaces.ts';
import { makeServices } from './make-services.ts';
import { refuseSecond } from './one-process.ts';
import { type Opened, openEngines, reachesLog } from './opened.ts';
import { copyEnds, registerChanged, type Services } from './services.ts';
import { SiteMemory } from './site-memory.ts';
import type { SiteWorld } from './site-ports.ts';
import { ensureControlTopic, ensureTopics, refuseOthersLog } from './topics.ts';

/** A site's process after its start, as whoever started it sees it. */
export type RunningSite = {
  readonly site: string;
  /** Where others reach its HTTP. */
  readonly url: string;
  /** Where it listens, which may be another address. */
  readonly listening: string;
  /** Finishes what is under way and gives everything back. Safe to repeat. */
  stop(): Promise<void>;
};

/** Told once of what the site cannot go on with; the process should end. */
export type OnFatal = (error: unknown) => void;

/** The machine's options, and who is told when the site cannot go on. */
export type SiteOptions = MachineOptions & {
  /** The default throws it away with a log line. */
  readonly onFatal?: OnFatal;
};

/**
 * Starts a site on this machine; it listens when this resolves, and its keyspaces start as their logs can be reached.
 * @throws {Fault} `unavailable`: the folder is open in another process, or the port is in use. `invalid`: the folder is
 *   another site's or cluster's. `corrupt`: its own log or identity cannot be read.
 */
export async function startSite(config: Config, { onFatal, ...options }: SiteOptions = {}): Promise<RunningSite> {
  return openSite(config, machineWorld(config, options), onFatal);
}

/** Starts a site in the world it is given; otherwise as `startSite`. */
export async function openSite(config: Config, world: SiteWorld, onFatal?: OnFatal): Promise<RunningSite> {
  await using stack = new AsyncDisposableStack();
  const site = new Site(config, world, onFatal);
  const places = await site.open(stack);
  const parts = stack.move();
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    site.stopping = true;
    stopped ??= parts.disposeAsync();
    return stopped;
  };
  return { site: config.site, ...places, stop };
}

/** Keyspaces of which the folder has something. */
async function heldKeyspaces(disk: Disk): Promise<readonly string[]> {
  const names = await disk.list('checkpoints/applier');
  return [...new Set(names.map((name) => name.replace(/\..*$/, '')))];
}

class Site {
  stopping = false;
  readonly #config: Config;
  readonly #world: SiteWorld;
  readonly #stop = new AbortController();
  readonly #onFatal: OnFatal;

  constructor(config: Config, world: SiteWorld, onFatal?: OnFatal) {
    this.#config = config;
    this.#world = world;
    let told = false;
    this.#onFatal = (error) => {
      if (told || this.stopping) return;
      told = true;
      world.logger.error({ err: error }, 'the site cannot go on');
      onFatal?.(error);
    };
  }

  /** Puts the parts together; `stack` holds what was opened so far, in order. @returns where HTTP is */
  async open(stack: AsyncDisposableStack): Promise<Pick<RunningSite, 'url' | 'listening'>> {
    const { cluster, site, sites, roles, data } = this.#config;
    const { disk, compactionExecutor, clock, logger, host } = this.#world;
    stack.use(compactionExecutor);
    const folder = stack.use(await takeDataFolder(disk, data, { cluster, site }, logger));
    const opened = await openEngines(stack, this.#world, site, [...sites.keys()]);
    if (folder.isNew) await refuseOthersLog({ cluster, site, log: opened.log, signal: this.#stop.signal });
    await folder.name();
    const place = `${host}:${data}`;
    await refuseSecond({ site, roles, folder: place, board: opened.boards.get(site)!, clock });
    const loopLag = stack.use(new LoopLag(clock));
    const room = stack.use(new DiskWatch(this.#world, this.#config.diskReserveBytes));
    room.start();
    const { app, jobs, catalog, watchdog, services, keyspaces, urls } = this.#wire(opened, place, loopLag, room);
    stack.use(catalog);
    stack.use(watchdog);
    stack.defer(() => app.close());
    this.#stopServices(stack, services, keyspaces);
    stack.use(jobs);
    const { url: listening, peerUrl } = await this.#world.serve(app);
    // As others reach it, which need not be what it listens on.
    urls.own = sites.get(site)?.url ?? listening;
    urls.ownPeer = sites.get(site)?.peerUrl ?? peerUrl;
    watchdog.start();
    catalog.start();
    const reached = urls.own === listening ? '' : `, and is reached at ${urls.own}`;
    const what = `site ${site} listens at ${listening}${reached}, and for other sites at ${peerUrl}`;
    logger.info({ url: urls.own, peerUrl: urls.ownPeer, listening, roles }, what);
    return { url: urls.own, listening };
  }

  /** Disposed in reverse: nothing new is started, the writer ends, then whatever was being started, mirror, applier. */
  #stopServices(stack: AsyncDisposableStack, services: Services, keyspaces: Keyspaces): void {
    stack.use(services.applier);
    stack.use(services.mirror);
    stack.use(keyspaces);
    stack.use(services.writer);
    stack.defer(() => {
      this.#stop.abort();
      keyspaces.close();
    });
  }

  #wire({ log, remotes, boards }: Opened, folder: string, loopLag: LoopLag, room: DiskWatch) {
    const config = this.#config;
    const world = this.#world;
    const onFatal = this.#onFatal;
    const { cluster, site, roles, sites } = config;
    const { clock, random, logger, network, disk } = world;
    const common = { cluster, site, clock, random, logger, log, onFatal };
    const votes = roles.includes('watchdog');
    const urls = new SiteUrls({
      site,
      roles,
      configured: (name) => sites.get(name) ?? null,
      heard: () => watchdog,
    });
    const urlOf = (name: string): string | null => urls.of(name);
    const siteNetwork = new SiteNetwork(network, (name) => urls.ofPeer(name));
    const voters = new SiteNetwork(network, (name) => urls.ofVoter(name));
    const topicParts = { ...common, signal: this.#stop.signal };
    const memory = new SiteMemory(config.memoryPlan);
    const services = makeServices({
      ...{ config, memory },
      world,
      log,
      remotes,
      network: siteNetwork,
      urlOf,
      keyspaces: () => keyspaces,
      watchdog: () => watchdog,
      diskTrouble: () => room.trouble,
      ensureTopics: (keyspace) => ensureTopics(topicParts, keyspace),
      onFatal,
    });
    const keyspaces: Keyspaces = new Keyspaces({
      ...common,
      services,
      urlOf,
      registerValue: (name) => watchdog.registers.current(name),
      ensureTopics: (keyspace) => ensureTopics(topicParts, keyspace),
      isCatalogRead: () => catalog.opened,
      unheard: () => catalog.unheard,
      lacking: () => catalog.lacking,
    });
    const catalog: SiteCatalog = new SiteCatalog({
      ...common,
      remotes,
      ensureTopic: async () => {
        await ensureControlTopic(topicParts);
        watchdog.beginVoting();
      },
      held: () => heldKeyspaces(this.#world.disk),
      onKeyspace: (keyspace) => {
        watchdog.registers.begin(keyspace);
        keyspaces.begin(keyspace);
      },
      writes: votes,
    });
    const primaryOf = (name: string): string | null => watchdog.registers.current(name)?.terms.at(-1)?.site ?? null;
    const facts = new SiteFactsSource({ services, keyspaces, roles, clock, primaryOf, urls });
    const watchdog: WatchdogService = new WatchdogService({
      ...common,
      role: nameOfRoles(roles),
      folder,
      boards,
      disk,
      votes,
      watcherAt: (name) => new Peer(voters, placeOf(name)),
      writerAt: (name) => new Peer(siteNetwork, placeOf(name)),
      urlOf: (name) => urls.ofVoter(name),
      barrier: (keyspace, origin) => services.mirror?.barrier(keyspace, origin),
      reachesLog: (name) => reachesLog(name === site ? log : remotes.get(name)),
      limits: config,
      loopLag,
      facts: () => facts.read(),
      copyEnds: () => keyspaces.all().flatMap(({ name }) => copyEnds(services, name, watchdog.registers.current(name))),
      onRemembered: (by, copy, gapMs) => services.mirror?.remembered(by, copy, gapMs),
      keyspaces: () => keyspaces.all(),
      remakeControlTopic: async () => {
        await ensureControlTopic(topicParts);
        await catalog.writeAgain();
      },
    });
    watchdog.registers.onChange((value) => registerChanged(services, value));
    const jobs = new Jobs(clock, random);
    const isStopping = (): boolean => this.stopping;
    const routes = {
      config,
      world,
      services,
      memory,
      jobs,
      keyspaces,
      catalog,
      watchdog,
      facts,
      urlOf,
      isStopping,
      onFatal,
    };
    return { app: makeRoutes(routes), jobs, catalog, watchdog, services, keyspaces, urls };
  }
}
