/**
 * Boots the real services of the `services` lane: one Kafka and one Redis for each of three sites. Their addresses are
 * given out at once and nobody waits here: `services-ready.ts` does, in each file.
 */

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { existingKafka, existingRedis } from '@tidemark/dev/existing';
import { KafkaServer } from '@tidemark/dev/kafka/kafka';
import { Reaper } from '@tidemark/dev/reaper';
import { RedisServer } from '@tidemark/dev/redis/redis';
import { messageOf } from '@tidemark/platform/fault';
import type { TestProject } from 'vitest/node';

const SITE_COUNT = 3;

declare module 'vitest' {
  interface ProvidedContext {
    /** Broker addresses (`host:port`) of each site; empty when no file of the run needs Kafka. */
    kafka: string[][];
    /** One `redis://host:port` for each site. */
    redis: string[];
    /** A file that appears when the boot has ended: empty, or with the reason why it failed. */
    bootReport: string;
  }
}

type Server = { readonly address: string; start(): Promise<void>; stop(): Promise<void> };

export default async function boot(project: TestProject): Promise<() => Promise<void>> {
  const reaper = Reaper.start();
  const folder = await reaper.scratchFolder('test');
  const settingsOf = (name: string) => ({ folder: join(folder, name), reaper });
  const kafka = existingKafka() ?? ((await needsKafka(project)) ? null : []);
  const redis = existingRedis();
  const kafkas = await prepare(kafka, (site) => KafkaServer.prepare(settingsOf(`kafka-${site}`)));
  const redises = await prepare(redis, (site) => RedisServer.prepare(settingsOf(`redis-${site}`)));
  project.provide('kafka', kafka ?? kafkas.map(({ address }) => [address]));
  project.provide('redis', redis ?? redises.map(({ address }) => address));
  const bootReport = join(folder, 'boot-report');
  project.provide('bootReport', bootReport);
  void bootAll([...redises, ...kafkas], bootReport);
  return async () => {
    // One broker ends in good order, as only that leaves the archive of classes for the next run; the rest is killed.
    await kafkas[0]?.stop();
    await reaper[Symbol.asyncDispose]();
  };
}

async function prepare<T extends Server>(existing: unknown, make: (site: number) => Promise<T>): Promise<T[]> {
  return existing === null ? Promise.all(Array.from({ length: SITE_COUNT }, (_, index) => make(index + 1))) : [];
}

/** Never rejects: its outcome is the report. */
async function bootAll(servers: readonly Server[], reportPath: string): Promise<void> {
  const failure = await Promise.all(servers.map((server) => server.start())).then(() => '', messageOf);
  try {
    await writeFile(`${reportPath}.tmp`, failure);
    await rename(`${reportPath}.tmp`, reportPath);
  } catch {
    // The run was over before the boot was, and its folder is gone.
  }
}

/** Three brokers are not booted for a run that was asked for Redis tests only. */
async function needsKafka(project: TestProject): Promise<boolean> {
  // vitest keeps the names it was asked for to itself; without them all files count, and Kafka is booted.
  const { filenamePattern } = project.vitest as unknown as { readonly filenamePattern?: string[] };
  const { testFiles } = await project.globTestFiles(filenamePattern);
  return testFiles.some((file) => !file.endsWith('.redis.test.ts'));
}
