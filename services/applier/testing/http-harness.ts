/** For tests: an applier that serves the log of paris over HTTP, on files. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFromSegments } from '@tidemark/columnar/json-rows';
import { Jobs } from '@tidemark/jobs/jobs';
import { registerJobRoutes } from '@tidemark/jobs/jobs-http';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { partitionOf } from '@tidemark/model/hash';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import { FAULT_MEANINGS, isFault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { SystemRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type FastifyInstance, fastify } from 'fastify';
import { type ApplierParts, ApplierService } from '../applier-service.ts';
import { ampleMemory } from './fake-site.ts';
import { CLUSTER, PartitionMaker, sampleKeyspace } from './log-maker.ts';

export const KEYSPACE = sampleKeyspace();
export const LOG = topicNames.log('ks', 'paris');

export type Served = AsyncDisposable & { readonly app: FastifyInstance; readonly service: ApplierService };
export type Answer = { status: number; json: Record<string, unknown>; headers: Record<string, unknown> };

export const partitionOfKey = (k: string): number => partitionOf(keyFromSegments(KEYSPACE.tables[0]!, [k]), 2);

export class HttpSite implements AsyncDisposable {
  readonly folder: string;
  readonly store = new SimLogStore(new SimClock());
  readonly log = new SimLog(this.store);
  /** By partition: what paris writes. */
  readonly makers = [0, 1].map((partition) => new PartitionMaker(KEYSPACE, 'paris', partition));

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Its log has begun its first epoch. */
  static async make(): Promise<HttpSite> {
    const site = new HttpSite(await mkdtemp(join(tmpdir(), 'applier-http-')));
    const { log, makers } = site;
    await log.ensureTopic({ name: LOG, partitions: 2, genesis: (p) => makers[p]!.genesis(), flushed: true });
    for (const maker of makers) await site.append(maker.partition, maker.start(1));
    return site;
  }

  async append(partition: number, value: Buffer): Promise<void> {
    await this.log.append(LOG, partition, [{ value }]);
  }

  /** Writes rows where they belong; returns a token for them. */
  async write(...rows: { k: string; v?: number; w?: string }[]): Promise<string> {
    for (const row of rows) await this.append(partitionOfKey(row.k), this.makers[partitionOfKey(row.k)]!.rows([row]));
    return `ks/paris/${this.makers.map(({ partition, at }) => `${partition}=${at.epoch}:${at.seq}`).join()}`;
  }

  async serve(change: Partial<ApplierParts> = {}, keyspace: Keyspace = KEYSPACE): Promise<Served> {
    const service = new ApplierService({
      memory: ampleMemory(),
      cluster: CLUSTER,
      site: 'paris',
      log: this.log,
      disk: new NodeDisk(this.folder),
      clock: new SystemClock(),
      logger: SILENT,
      onFatal: (error) => {
        throw error;
      },
      ...change,
    });
    await service.start(keyspace);
    const app = fastify();
    app.setErrorHandler((error, _request, reply) => {
      if (!isFault(error)) return reply.code(500).send({ detail: String(error) });
      const { location } = error.details;
      if (location !== undefined) void reply.header('location', location);
      return reply.code(FAULT_MEANINGS[error.kind].status).send({ kind: error.kind, detail: error.message });
    });
    service.register(app);
    const jobs = new Jobs(new SystemClock(), new SystemRandom());
    registerJobRoutes(app, jobs, service.jobKinds());
    const stop = async (): Promise<void> => {
      await app.close();
      await jobs[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    };
    return { app, service, [Symbol.asyncDispose]: stop };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}

export async function get(app: FastifyInstance, url: string, atLeast?: string): Promise<Answer> {
  const headers = atLeast === undefined ? {} : { 'tidemark-at-least': atLeast };
  const reply = await app.inject({ method: 'GET', url, headers });
  return { status: reply.statusCode, json: reply.json(), headers: reply.headers };
}

/** Runs a job to its end and returns its last line. */
export async function job(app: FastifyInstance, body: object): Promise<Record<string, unknown>> {
  const started = await app.inject({ method: 'POST', url: '/v1/jobs', payload: body });
  if (started.statusCode !== 202) return { status: started.statusCode, ...started.json() };
  const lines = (await app.inject({ url: `/v1/jobs/${started.json().id}` })).body.trim().split('\n');
  return JSON.parse(lines.at(-1)!);
}
