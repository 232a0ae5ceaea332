/**
 * One process of a site, put together from its world in the order in which it is taken apart again: writer first, then
 * mirror, applier, HTTP, watchdog, boards, logs, the folder. `startSite` chooses the machine's own world; the simulator
 * brings another.
 */

import { ApplierService } from '@tidemark/applier/main';
import type { Board } from '@tidemark/control/board';
import type { Decision } from '@tidemark/control/decision';
import type { RegisterValue, Reign } from '@tidemark/control/register-value';
import { Jobs } from '@tidemark/jobs/jobs';
import { registerJobRoutes } from '@tidemark/jobs/jobs-http';
import { AppendTurns } from '@tidemark/log/append-turns';
import type { Log } from '@tidemark/log/log';
import { MirrorService } from '@tidemark/mirror/main';
import { parsePosition } from '@tidemark/schema/position';
import type { Keyspace } from '@tidemark/schema/table';
import { SiteCatalog } from '@tidemark/watchdog/catalog';
import { WatchdogService } from '@tidemark/watchdog/main';
import type { Disk } from '@tidemark/world/disk';
import { Fault, isFault } from '@tidemark/world/fault';
import { LoopLag } from '@tidemark/world/loop-lag';
import type { Network } from '@tidemark/world/network';
import { WriterService, type WriterServiceParts } from '@tidemark/writer/main';
import type { Config } from './config.ts';
import { type MachineOptions, machineWorld } from './engines.ts';
import { SiteFactsSource } from './facts.ts';
import { createHttp, registerProbes } from './http.ts';
import { takeDataFolder } from './identity.ts';
import { registerKeyspaceRoutes } from './keyspace-routes.ts';
import { Keyspaces, type Services } from './keyspaces.ts';
import { SiteMetrics } from './metrics.ts';
import { Outcomes } from './outcomes.ts';
import { placeOf, SiteNetwork } from './places.ts';
import { ROLES, type Role } from './settings.ts';
import { ensureControlTopic, ensureTopics } from './topics.ts';
import type { SiteWorld } from './world.ts';

/** How long a site that was elected waits for its applier to be level, before it looks again at everything. */
const APPLIED_MS = 30_000;
const APPLIED_LOOK_MS = 10;

export type RunningSite = {
  readonly site: string;
  /** Where its HTTP is. */
  readonly url: string;
  /** Finishes what is under way and gives everything back. Safe to repeat. */
  stop(): Promise<void>;
};

/** Told once of what the site cannot go on with; the process should end. */
export type OnFatal = (error: unknown) => void;

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
  const url = await site.open(stack);
  const parts = stack.move();
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    site.stopping = true;
    stopped ??= parts.disposeAsync();
    return stopped;
  };
  return { site: config.site, url, stop };
}

class Site {
  stopping = false;
  readonly #config: Config;
  readonly #world: SiteWorld;
  readonly #stop = new AbortController();
  readonly #onFatal: OnFatal;
  #url = '';

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
  async open(stack: AsyncDisposableStack): Promise<string> {
    const { cluster, site, data } = this.#config;
    const { disk, clock, logger } = this.#world;
    stack.use(await takeDataFolder(disk, data, { cluster, site }));
    const { log, remotes } = await this.#openLogs(stack);
    const boards = await this.#openBoards(stack);
    const loopLag = stack.use(new LoopLag(clock));
    const wiring = this.#wire({ disk, log, remotes, boards, loopLag });
    const { app, jobs, catalog, watchdog, services, keyspaces } = wiring;
    stack.use(catalog);
    stack.use(watchdog);
    stack.defer(() => app.close());
    this.#stopServices(stack, services, keyspaces);
    stack.use(jobs);
    const listening = await this.#world.serve(app);
    // As others reach it, which need not be what it listens on.
    this.#url = this.#config.sites.get(site)?.url ?? listening;
    watchdog.start();
    catalog.start();
    logger.info({ url: this.#url, roles: this.#config.roles }, `site ${site} listens at ${this.#url}`);
    return this.#url;
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

  async #openLogs(stack: AsyncDisposableStack): Promise<{ log: Log; remotes: Map<string, Log> }> {
    const { site, sites } = this.#config;
    const remotes = new Map<string, Log>();
    let own: Log | null = null;
    for (const name of sites.keys()) {
      // Several parts of a site append to its topics.
      const log = stack.use(new AppendTurns(await this.#world.openLog(name)));
      if (name === site) own = log;
      else remotes.set(name, log);
    }
    return { log: own!, remotes };
  }

  async #openBoards(stack: AsyncDisposableStack): Promise<Map<string, Board>> {
    const boards = new Map<string, Board>();
    for (const name of this.#config.sites.keys()) boards.set(name, stack.use(await this.#world.openBoard(name)));
    return boards;
  }

  #wire(opened: Opened) {
    const { cluster, site, roles, sites } = this.#config;
    const { log, remotes, boards, loopLag, disk } = opened;
    const { clock, random, logger, network } = this.#world;
    const common = { cluster, site, clock, random, logger };
    const urlOf = (name: string): string | null =>
      (name === site ? this.#url : sites.get(name)?.url) ?? watchdog.urlOf(name);
    // A site may be several processes; one of them votes.
    const voterUrlOf = (name: string): string | null => {
      if (name === site && roles.includes('watchdog')) return this.#url;
      // What is configured is how it is reached from here; only the processes themselves know their own addresses.
      return watchdog.isSplit(name) ? (watchdog.urlOf(name, 'watchdog') ?? urlOf(name)) : urlOf(name);
    };
    const siteNetwork = new SiteNetwork(network, urlOf);
    const services = this.#services(opened, siteNetwork, {
      urlOf,
      keyspaces: () => keyspaces,
      watchdog: () => watchdog,
    });
    const topicParts = { ...common, log, signal: this.#stop.signal };
    const keyspaces: Keyspaces = new Keyspaces({
      ...common,
      services,
      urlOf,
      registerValue: (name) => watchdog.registers.current(name),
      ensureTopics: (keyspace) => ensureTopics(topicParts, keyspace),
      isCatalogRead: () => catalog.opened,
      onFatal: this.#onFatal,
    });
    const catalog: SiteCatalog = new SiteCatalog({
      ...common,
      log,
      remotes,
      ensureTopic: async () => {
        await ensureControlTopic(topicParts);
        watchdog.beginVoting();
      },
      onKeyspace: (keyspace) => {
        watchdog.registers.begin(keyspace);
        keyspaces.begin(keyspace);
      },
      onFatal: this.#onFatal,
      writes: roles.includes('watchdog'),
    });
    const facts = new SiteFactsSource({ services, keyspaces, roles, clock, url: () => this.#url });
    const watchdog: WatchdogService = new WatchdogService({
      ...common,
      role: nameOfRoles(roles),
      boards,
      log,
      disk,
      votes: roles.includes('watchdog'),
      network: new SiteNetwork(this.#world.network, voterUrlOf),
      services: siteNetwork,
      placeOf,
      barrier: (keyspace, origin) => services.mirror?.barrier(keyspace, origin),
      reachesLog: (name) => isReached(name === site ? log : remotes.get(name)),
      limits: this.#config,
      loopLag,
      facts: () => facts.read(),
      keyspaces: () => keyspaces.all(),
      onFatal: this.#onFatal,
    });
    watchdog.registers.onChange((value) => this.#registerChanged(value, services));
    const jobs = new Jobs(clock, random);
    const app = this.#http({ services, jobs, keyspaces, catalog, watchdog, facts, urlOf });
    return { app, jobs, catalog, watchdog, services, keyspaces };
  }

  #services(opened: Opened, network: Network, { urlOf, keyspaces, watchdog }: Later): Services {
    const { cluster, site, roles, memtableBytesMax, pendingBytesMax, requestTimeoutMs } = this.#config;
    const { disk, log, remotes } = opened;
    const { clock, random, logger } = this.#world;
    const common = { cluster, site, disk, log, clock, random, logger, onFatal: this.#onFatal };
    const registerValue = (keyspace: string): RegisterValue | null => watchdog().registers.current(keyspace);
    const reigns = (keyspace: string): readonly Reign[] | null => registerValue(keyspace)?.reigns ?? null;
    const mirror = roles.includes('mirror') ? new MirrorService({ ...common, remotes, reigns }) : null;
    const outcomes = new Outcomes((decision) => watchdog().decisions.record(decision));
    const writerParts: WriterServiceParts = {
      ...common,
      remotes,
      network,
      placeOf,
      register: (keyspace) => watchdog().registers.register(keyspace),
      registerValue,
      clockTrouble: () => watchdog().clockTrouble(),
      onOutcome: (keyspace, campaign, outcome) =>
        outcomes.told({ keyspace, site, campaign, outcome, atMs: clock.nowMs(), id: random.id() }),
      onCommitted: (keyspace, partition, at) => applier?.committed(keyspace, partition, site, at),
      elsewhere: (keyspace) => keyspaces().elsewhere(keyspace),
      ...(roles.includes('applier') ? { applied: (value, signal) => this.#applied(applier!, value, signal) } : {}),
    };
    const writer = roles.includes('writer')
      ? new WriterService(writerParts, { pendingBytesMax, requestTimeoutMs })
      : null;
    const primaryUrl = (name: string): string | null => {
      const primary = keyspaces().primaryOf(name);
      return primary === null ? null : urlOf(primary);
    };
    const applierParts = {
      ...common,
      primaryOf: (name: string) => keyspaces().primaryOf(name),
      primaryUrl,
      onStuck: (keyspace: string, origin: string, partition: number, at: { epoch: number; seq: number }) =>
        mirror?.unreadableBeyond(keyspace, origin, partition, at),
      membership: {
        network,
        registerValue,
        register: (keyspace: string) => watchdog().registers.register(keyspace),
        record: (decision: Decision) => watchdog().decisions.record(decision),
        reignOf: (keyspace: string) => writer?.reignOf(keyspace) ?? null,
        committedOf: (keyspace: string) => writer?.facts(keyspace)?.committed.map(parsePosition) ?? null,
      },
      ...(writer === null ? {} : { requestBarrier: (keyspace: string) => writer.requestBarrier(keyspace) }),
    };
    const applier: ApplierService | null = roles.includes('applier')
      ? new ApplierService(applierParts, { memtableBytesMax, readTimeoutMs: requestTimeoutMs })
      : null;
    return { writer, mirror, applier };
  }

  /** The newest keyspace, once everything up to the closed cuts is applied here. */
  async #applied(applier: ApplierService, value: RegisterValue, signal: AbortSignal): Promise<Keyspace | null> {
    const untilMs = this.#world.clock.monotonicMs() + APPLIED_MS;
    while (!signal.aborted) {
      if (applier.holds(value)) return applier.keyspace(value.keyspace);
      if (this.#world.clock.monotonicMs() > untilMs) {
        const message = `keyspace ${value.keyspace}: not everything of the reigns before is applied here after ${APPLIED_MS} ms`;
        throw new Fault('unavailable', message);
      }
      await this.#world.clock.sleep(APPLIED_LOOK_MS, signal);
    }
    return null;
  }

  /** What the services are told of the register. */
  #registerChanged(value: RegisterValue, { writer, mirror, applier }: Services): void {
    for (const { site: origin, epoch, cuts } of value.reigns) {
      cuts?.forEach(({ seq }, partition) => {
        applier?.closed(value.keyspace, partition, origin, { epoch, seq });
      });
    }
    mirror?.registerChanged(value.keyspace);
    writer?.registerChanged(value);
  }

  #http(parts: HttpWiring) {
    const { site, sites, bodyBytesMax, requestTimeoutMs } = this.#config;
    const { services, jobs, keyspaces, catalog, watchdog, facts, urlOf } = parts;
    const { writer, mirror, applier } = services;
    const metrics = new SiteMetrics({
      facts: () => ({ ...facts.read(), loopLagMs: watchdog.loopLagMs }),
      seen: () => watchdog.seen(),
      conflicts: () => catalog.conflicts,
    });
    const app = createHttp({
      random: this.#world.random,
      logger: this.#world.logger,
      bodyBytesMax,
      onFatal: this.#onFatal,
      refusal: () => (this.stopping ? `site ${site} is stopping` : null),
      onAnswered: (route, status, ms) => metrics.answered(route, status, ms),
    });
    registerProbes(app, {
      site,
      missing: () => (this.stopping ? ['it is stopping'] : keyspaces.missing()),
      writable: (name) => keyspaces.isPrimary(name),
      epochOf: (name) => writer?.facts(name)?.epoch ?? null,
      metrics: () => metrics.render(),
    });
    const names = [...sites.keys()];
    registerKeyspaceRoutes(app, { site, sites: names, catalog, keyspaces, writer, urlOf, requestTimeoutMs });
    for (const service of [watchdog, writer, mirror, applier]) service?.register(app);
    registerJobRoutes(app, jobs, { ...applier?.jobKinds(), ...watchdog.jobKinds() });
    return app;
  }
}

type Opened = {
  readonly disk: Disk;
  readonly log: Log;
  readonly remotes: ReadonlyMap<string, Log>;
  readonly boards: ReadonlyMap<string, Board>;
  readonly loopLag: LoopLag;
};

/** Parts that the services use and that are made after them. */
type Later = {
  readonly urlOf: (site: string) => string | null;
  readonly keyspaces: () => Keyspaces;
  readonly watchdog: () => WatchdogService;
};

type HttpWiring = {
  readonly services: Services;
  readonly jobs: Jobs;
  readonly keyspaces: Keyspaces;
  readonly catalog: SiteCatalog;
  readonly watchdog: WatchdogService;
  readonly facts: SiteFactsSource;
  readonly urlOf: (site: string) => string | null;
};

async function isReached(log: Log | undefined): Promise<boolean> {
  try {
    await log?.topics();
    return log !== undefined;
  } catch (error) {
    if (isFault(error)) return false;
    throw error;
  }
}

/** Under which a process stands on the board: `site` when it is all of one. */
function nameOfRoles(roles: readonly Role[]): string {
  return ROLES.every((role) => roles.includes(role)) ? 'site' : [...new Set(roles)].sort().join('-');
}
