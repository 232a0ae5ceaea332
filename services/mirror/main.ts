/** The mirror service of a site: remote logs in, the same bytes in the local mirror topics out. */

import { Readable } from 'node:stream';
import type { Log } from '@tidemark/log/log';
import { formatPosition } from '@tidemark/schema/position';
import type { Keyspace } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import type { Disk } from '@tidemark/world/disk';
import { Fault } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import type { Random } from '@tidemark/world/random';
import type { FastifyInstance } from 'fastify';
import { durableLines } from './durable-stream.ts';
import { Mirror } from './mirror.ts';

export type MirrorServiceParts = {
  readonly cluster: string;
  readonly site: string;
  /** This site's own log. */
  readonly log: Log;
  /** The other sites' logs. */
  readonly remotes: ReadonlyMap<string, Log>;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
};

/** What a mirror of one origin can say of itself. */
export type MirrorFacts = {
  readonly origin: string;
  /** By partition, `epoch:seq`. */
  readonly durable: readonly string[];
  /** Records of the origin not copied yet, by partition; null where nothing was read yet. */
  readonly behindRecords: readonly (number | null)[];
  readonly copied: number;
  readonly copiedBytes: number;
  readonly duplicate: number;
  readonly ignored: number;
  /** Why partitions stopped for good. */
  readonly stopped: readonly string[];
};

export class MirrorService implements AsyncDisposable {
  readonly #parts: MirrorServiceParts;
  /** keyspace → origin → mirror. */
  readonly #mirrors = new Map<string, Map<string, Mirror>>();
  readonly #stop = new AbortController();

  constructor(parts: MirrorServiceParts) {
    this.#parts = parts;
  }

  /** Copies every other data site's log of the keyspace. Its topics exist. */
  async start(keyspace: Keyspace): Promise<void> {
    const { site, log, remotes } = this.#parts;
    const mirrors = new Map<string, Mirror>();
    this.#mirrors.set(keyspace.name, mirrors);
    for (const origin of keyspace.sites) {
      const remote = remotes.get(origin.name);
      if (origin.name === site || origin.role !== 'data' || remote === undefined) continue;
      const mirror = new Mirror({ ...this.#parts, origin: origin.name, keyspace, remote, local: log });
      mirrors.set(origin.name, mirror);
      await mirror.start();
    }
  }

  /** `GET /v1/internal/durable/{keyspace}/{origin}`, followed by the origin's writer. */
  register(app: FastifyInstance): void {
    type Params = { keyspace: string; origin: string };
    app.get<{ Params: Params }>('/v1/internal/durable/:keyspace/:origin', (request, reply) => {
      const { keyspace, origin } = request.params;
      const mirror = this.#mirrors.get(keyspace)?.get(origin);
      if (mirror === undefined) {
        throw new Fault('unavailable', `site ${this.#parts.site} mirrors no ${keyspace} from ${origin}`, {
          retryAfterMs: 1_000,
        });
      }
      const closed = new AbortController();
      request.raw.on('close', () => closed.abort());
      const source = {
        site: this.#parts.site,
        logId: () => mirror.copiers[0]!.logId,
        positions: () => mirror.copiers.map((copier) => copier.durable),
        changed: mirror.changed,
      };
      const signal = AbortSignal.any([closed.signal, this.#stop.signal]);
      void reply.type('application/x-ndjson');
      return reply.send(Readable.from(durableLines(source, signal)));
    });
  }

  facts(keyspace: string): MirrorFacts[] {
    return [...(this.#mirrors.get(keyspace) ?? [])].map(([origin, { copiers }]) => {
      const sum = (pick: (counts: (typeof copiers)[number]['counts']) => number): number =>
        copiers.reduce((total, copier) => total + pick(copier.counts), 0);
      return {
        origin,
        durable: copiers.map((copier) => formatPosition(copier.durable)),
        behindRecords: copiers.map((copier) => copier.behindRecords),
        copied: sum((counts) => counts.copied),
        copiedBytes: sum((counts) => counts.copiedBytes),
        duplicate: sum((counts) => counts.duplicate),
        ignored: sum((counts) => counts.ignored),
        stopped: copiers.flatMap((copier) => copier.stopped ?? []),
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const mirrors = [...this.#mirrors.values()].flatMap((byOrigin) => [...byOrigin.values()]);
    await Promise.all(mirrors.map((mirror) => mirror[Symbol.asyncDispose]()));
  }
}
