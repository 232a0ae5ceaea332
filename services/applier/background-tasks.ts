/**
 * What a site does about what was lost, beside applying: tails are written out, its own copies are filled again, members
 * that are level are taken back, and sites are compared when somebody asks.
 */

import { Readable } from 'node:stream';
import { primaryOf } from '@tidemark/control/consensus/register-value';
import type { JobWork } from '@tidemark/jobs/jobs';
import type { JobKinds } from '@tidemark/jobs/jobs-http';
import { closedSignal } from '@tidemark/jobs/request';
import type { Log } from '@tidemark/log/log';
import { parsed } from '@tidemark/model/parsed';
import { STREAMS } from '@tidemark/peer/routes';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { KeyspaceApplier } from './applier.ts';
import { SuffixKeeper } from './divergent/suffix-keeper.ts';
import { DivergentSuffixes } from './divergent/suffixes.ts';
import { TombstoneGc } from './keyspace/tombstone-gc.ts';
import type { Membership } from './membership.ts';
import { compareSites } from './read/compare.ts';
import { CatchUp } from './repair/catch-up.ts';
import { Readmission } from './repair/readmission.ts';
import { ReturnJob } from './repair/rejoin.ts';
import { repairWork } from './repair/repair.ts';
import type { RunningKeyspace } from './running.ts';

type BackgroundTasksParts = {
  readonly cluster: string;
  readonly site: string;
  readonly log: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
  readonly membership: Membership;
  readonly running: ReadonlyMap<string, RunningKeyspace>;
  /** Deletions are kept for so long at least. */
  readonly deletionsKeptMs: number;
};

/** @throws {Fault} `notFound`: no such keyspace; `unavailable`: not open yet. */
export type AnyApplierOf = (keyspace: string) => KeyspaceApplier;

const VERIFY = z.strictObject({ kind: z.string(), keyspace: z.string() });

/**
 * The loops and jobs of a site's applier that need the register and other sites; they run from `begin` until disposal.
 */
export class BackgroundTasks implements AsyncDisposable {
  readonly #parts: BackgroundTasksParts;
  readonly #tails: DivergentSuffixes;
  readonly #stop = new AbortController();
  #running: Promise<unknown> | null = null;

  constructor(parts: BackgroundTasksParts) {
    this.#parts = parts;
    const { cluster, site, log, disk, clock, logger, membership } = parts;
    this.#tails = new DivergentSuffixes({ cluster, site, log, disk, clock, logger, network: membership.network });
  }

  /** Begins, once. */
  begin(): void {
    if (this.#running !== null) return;
    const { site, clock, random, logger, membership, running, deletionsKeptMs, onFatal } = this.#parts;
    const { signal } = this.#stop;
    const keyspaces = (): string[] => [...running.keys()];
    const applierOf = (keyspace: string): KeyspaceApplier | null => running.get(keyspace)?.applier ?? null;
    const appliers = (): KeyspaceApplier[] => keyspaces().flatMap((keyspace) => applierOf(keyspace) ?? []);
    const work = [
      new SuffixKeeper({ site, clock, random, logger, membership, appliers, tails: this.#tails }),
      new CatchUp({ site, clock, logger, membership, keyspaces }),
      new Readmission({ site, clock, random, logger, membership, keyspaces, applierOf }),
      new TombstoneGc({ site, clock, membership, keyspaces, applierOf, deletionsKeptMs }),
    ];
    this.#running = Promise.all(work.map((one) => one.run(signal))).catch(onFatal);
  }

  register(app: FastifyInstance, anyApplierOf: AnyApplierOf): void {
    type Params = { keyspace: string; origin: string };
    app.get<{ Params: Params }>(STREAMS.beyond.path, (request, reply) => {
      const { keyspace, origin } = request.params;
      const lines = this.#tails.lines(anyApplierOf(keyspace), origin, closedSignal(reply));
      return reply.type('application/x-ndjson').send(Readable.from(lines, { objectMode: false }));
    });
  }

  /** @param runningOf throws `notFound` where there is no such keyspace */
  jobKinds(runningOf: (keyspace: string) => RunningKeyspace): JobKinds {
    const { site, clock, random, membership } = this.#parts;
    const anyApplierOf: AnyApplierOf = (keyspace) => runningOf(keyspace).opened;
    const returning = new ReturnJob({ site, clock, random, membership, tails: this.#tails, anyApplierOf });
    return {
      return: (body) => returning.work(body),
      verify: (body) => this.#verify(body, anyApplierOf),
      repair: (body) => repairWork({ site, clock, random, membership, runningOf }, body),
    };
  }

  /** Compares all data sites with the primary. */
  #verify(body: Readonly<Record<string, unknown>>, anyApplierOf: AnyApplierOf): JobWork {
    const { keyspace } = parsed(VERIFY, body, 'verify');
    const applier = anyApplierOf(keyspace);
    const { membership, random } = this.#parts;
    return async (_, signal) => {
      const { sites, partitions } = applier.stores.keyspace;
      const primary = primaryOf(membership.registerValue(keyspace), applier.stores.keyspace);
      const data = sites.filter((one) => one.role === 'data' && one.name !== primary).map((one) => one.name);
      const asked = { keyspace, partitions, sites: [primary, ...data] };
      return { keyspace, ...(await compareSites({ network: membership.network, random, signal }, asked)) };
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
