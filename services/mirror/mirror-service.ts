/** The mirror service of a site: remote logs in, the same bytes in the local mirror topics out. */

import { Readable } from 'node:stream';
import type { Term } from '@tidemark/control/consensus/register-value';
import { type Birth, type CopyEnds, judgeCopy, livedThrough, memoryOf } from '@tidemark/control/consensus/vouching';
import { QUIET_MS_MAX } from '@tidemark/control/failover/lag';
import type { Log } from '@tidemark/log/log';
import { parsed } from '@tidemark/model/parsed';
import { comparePositions, formatPosition, NOWHERE, type Position } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import { STREAMS } from '@tidemark/peer/routes';
import type { Counted } from '@tidemark/peer/shapes';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import type { FastifyInstance } from 'fastify';
import { promisable } from './catch-up-check.ts';
import { type CheckTied, registerCopiesRoutes } from './copies-http.ts';
import { durableLines } from './durable-stream.ts';
import { Mirror } from './mirror.ts';
import type { HeardBarrier } from './replicator.ts';

type MirrorServiceParts = {
  readonly cluster: string;
  readonly site: string;
  /** This site's own log. */
  readonly log: Log;
  /** The other sites' logs. */
  readonly remotes: ReadonlyMap<string, Log>;
  /** The terms the register names, as far as this site knows; null while it has not read it. */
  readonly terms: (keyspace: string) => readonly Term[] | null;
  /** What stood in the register when this process first read it from a quorum; null: it has not yet. */
  readonly birth: (keyspace: string) => Birth | null;
  /** Makes the keyspace's topics where they are missing. */
  readonly ensureTopics: (keyspace: Keyspace) => Promise<void>;
  readonly checkTied: CheckTied;
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
  /** By partition; null while nothing is heard of the origin, or nothing can be stored here. */
  readonly behindRecords: readonly (number | null)[];
  readonly copied: number;
  readonly copiedBytes: number;
  readonly duplicate: number;
  readonly ignored: number;
  /** Why partitions stopped for good. */
  readonly stopped: readonly string[];
  /** Why partitions do not simply follow: their source has not got what comes next, or they were trimmed themselves. */
  readonly held: readonly string[];
};

/** All copies that this site holds, by keyspace and origin, with the routes that tell of them. */
export class MirrorService implements AsyncDisposable {
  readonly #parts: MirrorServiceParts;
  /** keyspace → origin → this site's copy, its own log included. */
  readonly #mirrors = new Map<string, Map<string, Mirror>>();
  readonly #stop = new AbortController();

  constructor(parts: MirrorServiceParts) {
    this.#parts = parts;
  }

  /** Copies every other data site's log of the keyspace, and keeps an eye on its own. Its topics exist. */
  async start(keyspace: Keyspace): Promise<void> {
    const { cluster, site, log: local, remotes, disk, clock, random, logger, ensureTopics, onFatal } = this.#parts;
    const copying = { cluster, site, keyspace, local, remotes, disk, clock, random, logger, ensureTopics, onFatal };
    const mirrors = new Map<string, Mirror>();
    this.#mirrors.set(keyspace.name, mirrors);
    for (const origin of keyspace.sites) {
      if (origin.role !== 'data') continue;
      const mirror = new Mirror({ ...copying, origin: origin.name });
      mirrors.set(origin.name, mirror);
      await mirror.start();
    }
  }

  /**
   * See `Mirror.unreadableBeyond`. While this site writes the keyspace, its own log is left as it is: what was acked may
   * be told by its word. It is filled again once another site leads.
   */
  unreadableBeyond(keyspace: string, origin: string, partition: number, at: Position): void {
    const copy = this.#mirrors.get(keyspace)?.get(origin);
    if (copy === undefined) return;
    if (origin !== this.#parts.site || this.#isLedByOther(keyspace)) copy.unreadableBeyond(partition, at);
    else copy.waitUntilLedByOther(partition, at);
  }

  /** What cannot be read here of this site's own logs while it leads, in words, each with what helps. */
  unreadable(): string[] {
    return [...this.#mirrors.values()].flatMap((byOrigin) => byOrigin.get(this.#parts.site)?.unreadable.words ?? []);
  }

  /** Why another site should lead the keyspace, as then this one's log is filled; null: no need. */
  mustMove(keyspace: string): string | null {
    return this.#mirrors.get(keyspace)?.get(this.#parts.site)?.unreadable.mustMove ?? null;
  }

  #isLedByOther(keyspace: string): boolean {
    const newest = this.#parts.terms(keyspace)?.at(-1);
    return newest !== undefined && newest.site !== this.#parts.site;
  }

  /** Told when the register's value of a keyspace changed: what may be promised may have, too. */
  registerChanged(keyspace: string): void {
    for (const mirror of this.#mirrors.get(keyspace)?.values() ?? []) mirror.changed.notify();
    if (this.#isLedByOther(keyspace)) this.#mirrors.get(keyspace)?.get(this.#parts.site)?.ledByOther();
  }

  /** `GET /v1/internal/durable/{keyspace}/{origin}`, followed by the origin's writer; and what elections ask. */
  register(app: FastifyInstance): void {
    const { site } = this.#parts;
    const { checkTied } = this.#parts;
    registerCopiesRoutes(app, {
      site,
      checkTied,
      copiesOf: (keyspace) => this.#copiesOf(keyspace),
      vouchedBy: (keyspace, copy, epoch) => this.#vouchedBy(keyspace, copy, epoch),
    });
    type Params = { keyspace: string; origin: string };
    app.get<{ Params: Params }>(STREAMS.durable.path, (request, reply) => {
      const { keyspace, origin } = request.params;
      const mirror = origin === site ? undefined : this.#mirrors.get(keyspace)?.get(origin);
      if (mirror === undefined) {
        throw new Fault('unavailable', `site ${site} mirrors no ${keyspace} from ${origin}`, { retryAfterMs: 1_000 });
      }
      const floor = parsed(STREAMS.durable.asks, request.query, 'what the writer counted');
      const closed = new AbortController();
      request.raw.on('close', () => closed.abort());
      let isMet = false;
      const source = {
        site,
        logId: () => mirror.logId,
        // Nothing is promised to a writer that counted more than is here.
        positions: () => {
          isMet ||= this.#meets(mirror, floor);
          return isMet ? this.#promisable(keyspace, mirror) : mirror.replicators.map(() => NOWHERE);
        },
        changed: mirror.changed,
      };
      const signal = AbortSignal.any([closed.signal, this.#stop.signal]);
      void reply.type('application/x-ndjson');
      return reply.send(Readable.from(durableLines(source, signal)));
    });
  }

  #copiesOf(keyspace: string): ReadonlyMap<string, Mirror> {
    const mirrors = this.#mirrors.get(keyspace);
    if (mirrors !== undefined) return mirrors;
    throw new Fault('unavailable', `site ${this.#parts.site} has no copies of ${keyspace} (yet)`, {
      retryAfterMs: 500,
    });
  }

  #promisable(keyspace: string, mirror: Mirror): Position[] {
    const mirrors = this.#mirrors.get(keyspace)!;
    const birth = this.#parts.birth(keyspace);
    // What was fenced before this process began may have lost its fence with its end, unnoticed.
    const terms = birth === null ? null : this.#parts.terms(keyspace);
    return mirror.replicators.map(({ durable }, partition) => {
      if (birth !== null && durable.epoch < birth.fencedBelow) return NOWHERE;
      return promisable(mirror.origin, partition, durable, terms, ({ site, epoch, epochEnds }) => {
        const epochEnd = epochEnds?.[partition];
        return (
          epochEnd === undefined || mirrors.get(site)?.holdsPartition(partition, { epoch, seq: epochEnd.seq }) === true
        );
      });
    });
  }

  #vouchedBy(keyspace: string, copy: Mirror, closes: number | null): string | null {
    const epoch = closes ?? this.#parts.terms(keyspace)?.at(-1)?.epoch ?? 0;
    return livedThrough(this.#parts.birth(keyspace), epoch) ? 'itself' : copy.vouchedBy;
  }

  /** Whether a copy holds what the writer of its origin has counted of it; one that does not has been put back. */
  #meets(copy: Mirror, { epoch, logId, floor }: Counted): boolean {
    if (copy.logId === '' || copy.logId !== logId) return false;
    const below = copy.replicators.findIndex(({ durable }, partition) => {
      const seq = floor[partition] ?? -1;
      return seq >= 0 && comparePositions(durable, { epoch, seq }) < 0;
    });
    if (below < 0) {
      copy.vouchedBy ??= 'the writer';
      return true;
    }
    const [held, counted] = [formatPosition(copy.replicators[below]!.durable), `${epoch}:${floor[below]}`];
    copy.doubt(`partition ${below} ends at ${held}, and ${copy.origin} has counted ${counted}`);
    return false;
  }

  /** Where the copy of an origin ends now; null: it is not read yet, or there is none. */
  ends(keyspace: string, origin: string): CopyEnds | null {
    const copy = this.#mirrors.get(keyspace)?.get(origin);
    if (copy === undefined || copy.logId === '') return null;
    const ends = copy.heads().map(({ epoch, seq }) => ({ epoch, seq }));
    return { keyspace, origin, logId: copy.logId, ends };
  }

  /** Takes in where another site remembers this site's copy to have ended, when the process before this one held it. */
  remembered(by: string, told: CopyEnds, gapMs: number | null): void {
    const copy = this.#mirrors.get(told.keyspace)?.get(told.origin);
    const now = this.ends(told.keyspace, told.origin);
    if (copy === undefined || now === null) return;
    const judged = judgeCopy(told, now, gapMs);
    if (judged === 'beyond') copy.doubt(`it ends at ${words(now)}, and ${by} remembers ${words(told)}`);
    if (judged === 'vouched') copy.vouchedBy ??= memoryOf(by);
  }

  /** This site's own log is not what its writer has noted of it: it gets its next identity, and is filled. */
  doubtOwn(keyspace: string, reason: string): void {
    this.#mirrors.get(keyspace)?.get(this.#parts.site)?.doubt(reason);
  }

  /** Of every copy, the own log among them. */
  facts(keyspace: string): MirrorFacts[] {
    return [...(this.#mirrors.get(keyspace) ?? [])].map(([origin, { replicators, unreadable }]) => {
      const sum = (pick: (counts: (typeof replicators)[number]['counts']) => number): number =>
        replicators.reduce((total, replicator) => total + pick(replicator.counts), 0);
      return {
        origin,
        durable: replicators.map((replicator) => formatPosition(replicator.durable)),
        // An origin that writes says every second in partition 0 that it is there, and that is stored here.
        behindRecords: replicators.map((replicator) =>
          replicators[0]!.quietMs > QUIET_MS_MAX ? null : replicator.behindRecords,
        ),
        copied: sum((counts) => counts.copied),
        copiedBytes: sum((counts) => counts.copiedBytes),
        duplicate: sum((counts) => counts.duplicate),
        ignored: sum((counts) => counts.ignored),
        stopped: replicators.flatMap((replicator) => replicator.stopped ?? []),
        held: [...replicators.flatMap(({ trimmed, detours }) => detours.trouble ?? trimmed ?? []), ...unreadable.words],
      };
    });
  }

  /**
   * The newest BARRIER that was read from the origin's own log; null: none yet. Undefined: there is no copy of it here.
   * Barriers stand in partition 0.
   */
  barrier(keyspace: string, origin: string): HeardBarrier | null | undefined {
    const mirror = origin === this.#parts.site ? undefined : this.#mirrors.get(keyspace)?.get(origin);
    return mirror?.replicators[0]?.barrier;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const mirrors = [...this.#mirrors.values()].flatMap((byOrigin) => [...byOrigin.values()]);
    await Promise.all(mirrors.map((mirror) => mirror[Symbol.asyncDispose]()));
  }
}

function words({ ends }: CopyEnds): string {
  return ends.map(formatPosition).join(', ');
}
