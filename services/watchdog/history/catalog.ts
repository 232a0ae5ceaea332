/**
 * This site's catalogue: it follows the control logs of all sites, writes what it learns into its own, and has every
 * keyspace started once. A site that cannot be reached is asked again for as long as it takes.
 */

import {
  type Catalog,
  controlRecordOf,
  type Definition,
  definitionOf,
  EMPTY_CATALOG,
  learn,
  readControlRecord,
} from '@tidemark/control/audit/catalog';
import type { Log } from '@tidemark/log/log';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { within } from '@tidemark/platform/sync/deadline';
import { Mutex } from '@tidemark/platform/sync/mutex';

const RETRY_MS = 500;
const TOPIC = topicNames.control;

type SiteCatalogParts = {
  readonly cluster: string;
  readonly site: string;
  /** This site's own log; its control topic is written here and by no other process. */
  readonly log: Log;
  readonly remotes: ReadonlyMap<string, Log>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes sure the own control topic is there. */
  readonly ensureTopic: () => Promise<void>;
  /** Keyspaces of which this site's folder has something, by name. */
  readonly held: () => Promise<readonly string[]>;
  /** Told of each keyspace once, the first definition this site knew; its record is in the own control log by then. */
  readonly onKeyspace: (keyspace: Keyspace) => void;
  readonly onFatal: (error: unknown) => void;
  /** False: another process of this site writes the control topic, and this one only follows it. */
  readonly writes: boolean;
};

/**
 * One site's catalogue in its process; no new keyspace is defined before every named site's control log was read to its
 * end.
 */
export class SiteCatalog implements AsyncDisposable {
  readonly #parts: SiteCatalogParts;
  readonly #stop = new AbortController();
  /** What the own control log holds. */
  #catalog: Catalog = EMPTY_CATALOG;
  /** Names told to `onKeyspace`, with what they were told. */
  readonly #told = new Map<string, Definition>();
  /** Appends, one after the other. */
  readonly #writing = new Mutex();
  #running: Promise<unknown> = Promise.resolve();
  #opened = false;
  /** By other site, until its control log was read to its end, or found not to have been made yet: done then. */
  readonly #unheard: Map<string, PromiseWithResolvers<void>>;
  /** Site whose control log was trimmed, or has a record that cannot be read → what, in words. */
  readonly #lacking = new Map<string, string>();
  /** Keyspaces of which this site's folder had something at its start. */
  #held: readonly string[] = [];
  #conflicts = 0;

  constructor(parts: SiteCatalogParts) {
    this.#parts = parts;
    this.#unheard = new Map([...parts.remotes.keys()].map((site) => [site, Promise.withResolvers<void>()]));
  }

  /** True once the own control log has been read to its end: before, a keyspace not known here may exist. */
  get opened(): boolean {
    return this.#opened;
  }

  /** The other sites whose control log was not read to its end since the start: a keyspace not known here may be in it. */
  get unheard(): readonly string[] {
    return [...this.#unheard.keys()];
  }

  /** Why keyspaces may be defined that nobody has told of: what the own control log lacks, where no other site's is whole. */
  get lacking(): string | null {
    const others = [...this.#parts.remotes.keys()];
    const isWhole = (site: string): boolean => !this.#unheard.has(site) && !this.#lacking.has(site);
    const what = this.#undefinedHere() ?? this.#lacking.get(this.#parts.site) ?? null;
    const remedy =
      'put the log back from a copy, start a site whose control log is whole, or define it again as it was';
    return what === null || others.some(isWhole) ? null : `${what}; ${remedy}`;
  }

  #undefinedHere(): string | null {
    const names = this.#held.filter((name) => !this.#told.has(name));
    const { site } = this.#parts;
    if (!this.#opened || names.length === 0) return null;
    return `${TOPIC} at ${site} does not define ${names.join(', ')}, of which the folder of ${site} holds something`;
  }

  /** Definitions that contradict the one this site goes by: an operator has to look. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** The keyspaces as they were created, by name. */
  keyspaces(): Keyspace[] {
    return [...this.#told.values()].map((definition) => definition.keyspace).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  keyspace(name: string): Keyspace | null {
    return this.#told.get(name)?.keyspace ?? null;
  }

  start(): void {
    this.#running = this.#run().catch((error) => {
      if (!this.#stop.signal.aborted) this.#parts.onFatal(error);
    });
  }

  async #run(): Promise<void> {
    const { log, site, remotes, writes } = this.#parts;
    await this.#persist('making the control topic', this.#parts.ensureTopic);
    const next = await this.#follow(site, log, await this.#begin(), true);
    await this.#persist('reading what the folder holds', async () => {
      this.#held = await this.#parts.held();
    });
    this.#opened = true;
    const others = [...remotes].map(([name, remote]) => this.#hear(name, remote));
    await Promise.all(writes ? others : [this.#follow(site, log, next, false), ...others]);
  }

  async #hear(origin: string, log: Log): Promise<void> {
    const next = await this.#follow(origin, log, 0, true);
    this.#unheard.get(origin)?.resolve();
    this.#unheard.delete(origin);
    await this.#follow(origin, log, next, false);
  }

  /**
   * Waits until it is known whether any of the sites knows a keyspace that this one does not: one that lost its disks
   * knows nothing, and must not define anew what the others have.
   * @throws {Fault} `unavailable`: after `timeoutMs` some could not be asked
   */
  async complete(sites: readonly string[], timeoutMs: number): Promise<void> {
    const heard = sites.map((site) => this.#unheard.get(site)?.promise);
    await within(this.#parts.clock, timeoutMs, Promise.all(heard), this.#stop.signal);
    const left = sites.filter((site) => this.#unheard.has(site));
    if (left.length === 0) return;
    const message = `the control log of ${left.join(', ')} could not be read: a keyspace is defined only once every site of it can be asked whether it is there already`;
    throw new Fault('unavailable', message, { retryAfterMs: 1_000 });
  }

  /** Where the own control log begins: what was trimmed away there is learnt from the other sites' again. */
  async #begin(): Promise<number> {
    const { log, logger, site } = this.#parts;
    let begin = 0;
    await this.#persist('reading the control topic', async () => {
      begin = (await log.bounds(TOPIC, 0)).start;
    });
    const message = `${TOPIC} at ${site} begins at offset ${begin}: keyspaces defined before are learnt from other sites`;
    if (begin > 0) logger.error({ start: begin }, message);
    if (begin > 0) this.#lacking.set(site, `${TOPIC} at ${site} begins at offset ${begin}`);
    return begin;
  }

  /** Tries until it works; says so once. A Fault that waiting does not mend is thrown. */
  async #persist(what: string, work: () => Promise<void>): Promise<void> {
    for (let said = false; !this.#stop.signal.aborted; said = true) {
      try {
        return await work();
      } catch (error) {
        if (!isFault(error, 'unavailable') && !isFault(error, 'unknown')) throw error;
        if (!said) this.#parts.logger.warn({ reason: messageOf(error) }, `${what}: trying again until it works`);
        await this.#parts.clock.sleep(RETRY_MS, this.#stop.signal);
      }
    }
  }

  /** Reads one site's control log, to its end or for ever. @returns the offset after the last record read */
  async #follow(origin: string, log: Log, from: number, untilEnd: boolean): Promise<number> {
    const { signal } = this.#stop;
    let next = from;
    while (!signal.aborted) {
      try {
        for await (const batch of log.read({ topic: TOPIC, partition: 0, from: next, signal, untilEnd })) {
          for (const { value } of batch.records) await this.#take(origin, value);
          next = batch.records.at(-1)!.offset + 1;
        }
        if (untilEnd) return next;
      } catch (error) {
        if (!isFault(error)) throw error;
        if (untilEnd && error.kind === 'notFound') return next;
        next = await this.#afterFault(origin, log, next, error);
      }
      await this.#parts.clock.sleep(RETRY_MS, signal);
    }
    return next;
  }

  /**
   * Whoever makes the own control topic again: what is known is written into it, as its records are gone.
   * @throws {Fault} as `Log.append`
   */
  async writeAgain(): Promise<void> {
    using _turn = await this.#writing.lock();
    for (const definition of this.#told.values()) await this.#append(definition);
  }

  /** A control topic may not be there yet, be a new one, or be trimmed: definitions are read again. */
  async #afterFault(origin: string, log: Log, next: number, fault: Fault): Promise<number> {
    if (fault.kind === 'notFound' || fault.kind === 'unavailable') return next;
    this.#parts.logger.warn({ origin, reason: fault.message }, `control log of ${origin}: read again from its start`);
    return log.bounds(TOPIC, 0).then(
      ({ start }) => start,
      () => 0,
    );
  }

  async #take(origin: string, value: Uint8Array): Promise<void> {
    const { cluster, site, logger } = this.#parts;
    const record = readControlRecord({ cluster, origin }, value);
    if (record.kind === 'ignored') {
      logger.error({ origin, reason: record.reason }, 'control record ignored');
      this.#lacking.set(origin, `${TOPIC} at ${origin} has a record that cannot be read: ${record.reason}`);
    }
    if (record.kind !== 'definition') return;
    if (origin === site) this.#know(record.definition);
    else await this.#adopt(record.definition);
  }

  /** Copies what another site defined into the own control log, unless it is there. */
  async #adopt(definition: Definition): Promise<void> {
    const { name } = definition.keyspace;
    if (this.#knows(definition)) return;
    if (!this.#parts.writes) return;
    {
      using _turn = await this.#writing.lock();
      await this.#persist(`writing down keyspace ${name}`, async () => {
        if (!this.#knows(definition)) await this.#append(definition);
      });
    }
    if (!this.#stop.signal.aborted) this.#know(definition);
  }

  #knows({ keyspace, json }: Definition): boolean {
    return this.#catalog.get(keyspace.name)?.some((known) => known.json === json) ?? false;
  }

  /** Takes in what the own control log holds, and tells of a keyspace that is new. */
  #know(definition: Definition): void {
    const { name } = definition.keyspace;
    const known = this.#knows(definition);
    this.#catalog = learn(this.#catalog, definition);
    const told = this.#told.get(name);
    if (told === undefined) {
      this.#told.set(name, definition);
      this.#parts.onKeyspace(definition.keyspace);
    } else if (!known && told.json !== definition.json) {
      this.#conflicts++;
      this.#parts.logger.error(
        { keyspace: name },
        `keyspace ${name} is defined twice; this site keeps to what it knew`,
      );
    }
  }

  /**
   * Defines a keyspace here, which must be its primary.
   * @throws {Fault} `unavailable`: not written down. `unknown`: it will be as soon as the log answers.
   */
  async create(keyspace: Keyspace, timeoutMs: number): Promise<void> {
    if (!this.#opened) throw new Fault('unavailable', `site ${this.#parts.site} has not read its control log yet`);
    const definition = definitionOf(keyspace, this.#parts.clock.nowMs());
    const defined = await within(this.#parts.clock, timeoutMs, this.#define(definition), this.#stop.signal);
    if (defined !== null) return;
    throw new Fault('unknown', `keyspace ${keyspace.name}: not known to be written down after ${timeoutMs} ms`);
  }

  async #define(definition: Definition): Promise<void> {
    using _turn = await this.#writing.lock();
    const { name } = definition.keyspace;
    const told = this.#told.get(name);
    if (told !== undefined) {
      const message = `keyspace ${name} was defined meanwhile, as version ${told.keyspace.version}`;
      throw new Fault('conflict', message, { got: name });
    }
    try {
      await this.#append(definition);
    } catch (error) {
      if (!isFault(error, 'unknown')) throw error;
      // It may be stored, now or later: the same record again settles it, as the fold takes repeats for one.
      await this.#persist(`writing down keyspace ${name}`, () => this.#append(definition));
    }
    this.#know(definition);
  }

  async #append(definition: Definition): Promise<void> {
    const { cluster, site, log } = this.#parts;
    await log.append(TOPIC, 0, [{ value: controlRecordOf({ cluster, origin: site }, definition) }]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#writing.settled();
  }
}
