/** The writer service of a site: HTTP and the ingest topic in, the local log out. */

import type { Log } from '@tidemark/log/log';
import type { KeyspaceFile } from '@tidemark/schema/keyspace-file';
import { formatPosition, type Position } from '@tidemark/schema/position';
import type { Keyspace } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import type { Disk } from '@tidemark/world/disk';
import { Fault, isFault } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import type { Network } from '@tidemark/world/network';
import type { Random } from '@tidemark/world/random';
import type { FastifyInstance } from 'fastify';
import { registerWriterRoutes } from './http.ts';
import { Ingest } from './ingest.ts';
import { Writer } from './writer.ts';

const RETRY_MS = 500;

export type WriterServiceParts = {
  readonly cluster: string;
  readonly site: string;
  /** This site's own log. */
  readonly log: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
  /** HTTP addresses of the other sites. */
  readonly peers: ReadonlyMap<string, string>;
  readonly onFatal: (error: unknown) => void;
  readonly onCommitted: (keyspace: string, partition: number, position: Position) => void;
  /** Why this site does not write a keyspace: 404, or 307 with the place that does. */
  readonly elsewhere: (keyspace: string) => Fault;
};

export type WriterOptions = {
  /** Bytes that may wait to be written before more are refused with 503. */
  readonly pendingBytesMax: number;
  /** Longest wait for an ack when the request names none. */
  readonly requestTimeoutMs: number;
};

export type WriterFacts = {
  readonly epoch: number;
  /** By partition, `epoch:seq`. */
  readonly heads: readonly string[];
  readonly committed: readonly string[];
  readonly barrierMs: number;
  readonly pendingBytes: number;
  readonly ingest: { readonly rows: number; readonly rejected: number };
};

type Running = { readonly writer: Writer; readonly ingest: Ingest };

export class WriterService implements AsyncDisposable {
  readonly #parts: WriterServiceParts;
  readonly #options: WriterOptions;
  readonly #running = new Map<string, Running | null>();
  readonly #stop = new AbortController();

  constructor(parts: WriterServiceParts, options: WriterOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /**
   * Begins to write a keyspace; its topics exist. Waits for a log that cannot be reached.
   * @throws {Fault} `corrupt`: the log lost its end or is another one.
   */
  async start(keyspace: Keyspace): Promise<void> {
    const { name } = keyspace;
    this.#running.set(name, null);
    const peers = new Map<string, string>();
    for (const { name: other, role } of keyspace.sites) {
      const url = this.#parts.peers.get(other);
      if (role === 'data' && other !== this.#parts.site && url !== undefined) peers.set(other, url);
    }
    const onCommitted = (partition: number, position: Position): void =>
      this.#parts.onCommitted(name, partition, position);
    const writer = await this.#patiently(() => Writer.start({ ...this.#parts, keyspace, peers, onCommitted }));
    if (writer === null) return;
    const ingest = new Ingest({ ...this.#parts, writer, pendingBytesMax: this.#options.pendingBytesMax });
    ingest.start();
    this.#running.set(name, { writer, ingest });
    this.#parts.logger.info({ keyspace: name, epoch: writer.epoch }, 'writing');
  }

  register(app: FastifyInstance): void {
    const { site, clock } = this.#parts;
    registerWriterRoutes(app, { site, clock, ...this.#options, writerOf: (keyspace) => this.#writerOf(keyspace) });
  }

  /** Newest definition of a keyspace this site writes, null of others. */
  keyspace(name: string): Keyspace | null {
    return this.#running.get(name)?.writer.keyspace ?? null;
  }

  /** @throws {Fault} as the keyspace's routes. */
  evolve(file: KeyspaceFile): Promise<{ keyspace: Keyspace; changes: readonly string[] }> {
    return this.#writerOf(file.keyspace).evolve(file);
  }

  /** Appends a BARRIER and resolves with its stamp in ms once it is committed. */
  async requestBarrier(keyspace: string): Promise<number> {
    return (await this.#writerOf(keyspace).barrier()).ms;
  }

  facts(keyspace: string): WriterFacts | null {
    const running = this.#running.get(keyspace);
    if (running === undefined || running === null) return null;
    const { writer, ingest } = running;
    const { epoch, appenders, commits, barrierMs, pendingBytes } = writer;
    return {
      epoch,
      heads: appenders.map((appender) => formatPosition({ epoch, seq: appender.head })),
      committed: appenders.map((_, partition) => formatPosition({ epoch, seq: commits.committed(partition) })),
      barrierMs,
      pendingBytes,
      ingest: ingest.counts,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const running of this.#running.values()) {
      if (running === null) continue;
      await running.ingest[Symbol.asyncDispose]();
      await running.writer[Symbol.asyncDispose]();
    }
  }

  #writerOf(keyspace: string): Writer {
    const running = this.#running.get(keyspace);
    if (running === undefined) throw this.#parts.elsewhere(keyspace);
    if (running === null) {
      throw new Fault('unavailable', `keyspace ${keyspace}: the writer is starting`, { retryAfterMs: 500 });
    }
    return running.writer;
  }

  /** Tries until the log answers; null when the service stops first. */
  async #patiently<T>(attempt: () => Promise<T>): Promise<T | null> {
    const { clock, logger } = this.#parts;
    for (let told = false; !this.#stop.signal.aborted; told = true) {
      try {
        return await attempt();
      } catch (error) {
        if (!isFault(error, 'unavailable')) throw error;
        if (!told) logger.warn({ error: error.message }, 'writer waits for its log');
        await clock.sleep(RETRY_MS, this.#stop.signal);
      }
    }
    return null;
  }
}
