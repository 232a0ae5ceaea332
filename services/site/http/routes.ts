/** Everything a site answers over HTTP, and what it measures of that. */

import type { Jobs } from '@tidemark/jobs/jobs';
import { registerJobRoutes } from '@tidemark/jobs/jobs-http';
import type { SiteCatalog } from '@tidemark/watchdog/history/catalog';
import type { WatchdogService } from '@tidemark/watchdog/watchdog-service';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/config.ts';
import type { SiteFactsSource } from '../facts.ts';
import type { Keyspaces } from '../keyspaces.ts';
import { SiteMetrics } from '../metrics.ts';
import { refusals, type Services } from '../services.ts';
import type { SiteMemory } from '../site-memory.ts';
import type { SiteWorld } from '../site-ports.ts';
import { hostsOf } from './callers.ts';
import { limitsBy, waitingBytes } from './connections.ts';
import { registerKeyspaceRoutes } from './keyspace-routes.ts';
import { createHttp, registerProbes } from './server.ts';

type RoutesParts = {
  readonly config: Config;
  readonly world: Pick<SiteWorld, 'random' | 'logger' | 'logDropped'>;
  readonly services: Services;
  readonly memory: SiteMemory;
  readonly jobs: Jobs;
  readonly keyspaces: Keyspaces;
  readonly catalog: SiteCatalog;
  readonly watchdog: WatchdogService;
  readonly facts: SiteFactsSource;
  readonly urlOf: (site: string) => string | null;
  readonly isStopping: () => boolean;
  readonly onFatal: (error: unknown) => void;
};

/** A server with all routes, not listening yet. */
export function makeRoutes(parts: RoutesParts): FastifyInstance {
  const { config, world, services, memory, jobs, keyspaces, catalog, watchdog, facts, urlOf, isStopping, onFatal } =
    parts;
  const { site, sites, bodyBytesMax, requestTimeoutMs } = config;
  const { writer, mirror, applier } = services;
  const metrics = new SiteMetrics({
    facts: () => ({ ...facts.read(), loopLagMs: watchdog.loopLagMs, troubles: watchdog.troubles() }),
    seen: () => watchdog.seen(),
    conflicts: () => catalog.conflicts,
    memoryBudget: () => config.memoryPlan,
    memoryHeld: () => ({ ...memory.held(), ...waitingBytes(app) }),
    logDropped: world.logDropped,
  });
  const app: FastifyInstance = createHttp({
    random: world.random,
    logger: world.logger,
    bodyBytesMax,
    limits: limitsBy(config.memoryPlan).clients,
    hosts: hostsOf(config),
    onFatal,
    refusal: () => (isStopping() ? `site ${site} is stopping` : null),
    onAnswered: (route, status, ms) => metrics.answered(route, status, ms),
  });
  registerProbes(app, {
    site,
    missing: () =>
      isStopping()
        ? ['it is stopping']
        : [...keyspaces.missing(), ...watchdog.blockingReasons(), ...refusals(services)],
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
