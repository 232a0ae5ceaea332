/** The keyspaces of this site: each is started once its topics are there, and says what state it is in. */

import { primaryOf, type RegisterValue } from '@tidemark/control/consensus/register-value';
import type { Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { within } from '@tidemark/platform/sync/deadline';
import type { Services } from './services.ts';

const RETRY_MS = 500;

/** `elsewhere`: this site has no data of the keyspace. */
export type KeyspaceState = 'starting' | 'running' | 'elsewhere';

type KeyspacesParts = {
  readonly site: string;
  readonly services: Services;
  /** Makes sure of the topics. @throws {Fault} `unavailable` while the log cannot be reached */
  readonly ensureTopics: (keyspace: Keyspace) => Promise<void>;
  readonly urlOf: (site: string) => string | null;
  /** The newest value known here of a keyspace's register; null before it was read. */
  readonly registerValue: (keyspace: string) => RegisterValue | null;
  /** True once it is known which keyspaces there were when this site ran last. */
  readonly isCatalogRead: () => boolean;
  /** Other sites whose control log was not read to its end since the start: they may know keyspaces that are not known here. */
  readonly unheard: () => readonly string[];
  /** Why keyspaces may be defined that nobody has told of; null: there are none. */
  readonly lacking: () => string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
};

type Entry = {
  readonly created: Keyspace;
  state: KeyspaceState;
  /** True once it is known who writes it, or that took too long. */
  settled: boolean;
  readonly started: Promise<void>;
};

/** The keyspaces known here, by name; disposing starts no more of them and waits for starts under way. */
export class Keyspaces implements AsyncDisposable {
  readonly #parts: KeyspacesParts;
  readonly #entries = new Map<string, Entry>();
  readonly #stop = new AbortController();

  constructor(parts: KeyspacesParts) {
    this.#parts = parts;
  }

  /** Begins to run a keyspace the catalogue told of; returns at once. */
  begin(keyspace: Keyspace): void {
    const { site, onFatal } = this.#parts;
    const here = keyspace.sites.some((one) => one.name === site && one.role === 'data');
    const { promise, resolve } = Promise.withResolvers<void>();
    const state = here ? 'starting' : 'elsewhere';
    const entry: Entry = { created: keyspace, state, settled: !here, started: promise };
    this.#entries.set(keyspace.name, entry);
    const starting = here ? this.#start(entry) : Promise.resolve();
    starting.then(resolve, (error) => {
      resolve();
      if (!this.#stop.signal.aborted) onFatal(error);
    });
  }

  async #start(entry: Entry): Promise<void> {
    const { services, logger } = this.#parts;
    const { created: keyspace } = entry;
    await this.#ensureTopics(keyspace);
    if (this.#stop.signal.aborted) return;
    await Promise.all([services.mirror?.start(keyspace), services.applier?.start(keyspace)]);
    if (this.#stop.signal.aborted) return;
    // Whether it has a writer or not, what is here can be read.
    entry.state = 'running';
    await services.writer?.start(keyspace);
    entry.settled = true;
    const primary = this.primaryOf(keyspace.name);
    logger.info({ keyspace: keyspace.name, primary }, `keyspace ${keyspace.name} runs`);
  }

  /** A log that is away is waited for; one that holds something else ends the process. */
  async #ensureTopics(keyspace: Keyspace): Promise<void> {
    const { logger, clock, ensureTopics } = this.#parts;
    for (let said = false; !this.#stop.signal.aborted; said = true) {
      try {
        return await ensureTopics(keyspace);
      } catch (error) {
        if (!isFault(error, 'unavailable') && !isFault(error, 'unknown')) throw error;
        if (!said) logger.warn({ keyspace: keyspace.name }, `keyspace ${keyspace.name} waits: ${messageOf(error)}`);
        await clock.sleep(RETRY_MS, this.#stop.signal);
      }
    }
  }

  /** Resolves when the keyspace runs here, or `timeoutMs` are over. */
  async started(name: string, timeoutMs: number): Promise<void> {
    await within(this.#parts.clock, timeoutMs, this.#entries.get(name)?.started ?? Promise.resolve());
  }

  state(name: string): KeyspaceState | null {
    return this.#entries.get(name)?.state ?? null;
  }

  /** The newest definition known here; null when there is no such keyspace. */
  current(name: string): Keyspace | null {
    const { writer, applier } = this.#parts.services;
    const known = [writer?.keyspace(name), applier?.keyspace(name), this.#entries.get(name)?.created];
    return known.reduce<Keyspace | null>(
      (newest, one) => (one != null && (newest === null || one.version > newest.version) ? one : newest),
      null,
    );
  }

  all(): Keyspace[] {
    return [...this.#entries.keys()].sort().map((name) => this.current(name)!);
  }

  /** The site that writes the keyspace; null when there is none of that name. */
  primaryOf(name: string): string | null {
    const current = this.current(name);
    return current === null ? null : primaryOf(this.#parts.registerValue(name), current);
  }

  /**
   * True where rows of the keyspace are written here now; of every keyspace, and at least one, for null.
   * @returns null when there is no keyspace of that name
   */
  isPrimary(name: string | null): boolean | null {
    if (name === null) return this.#entries.size > 0 && [...this.#entries.keys()].every((one) => this.isPrimary(one));
    const { site, services } = this.#parts;
    if (this.primaryOf(name) === null) return null;
    const writes = services.writer?.keyspace(name) != null;
    return writes && this.primaryOf(name) === site && this.state(name) === 'running';
  }

  /** What is not running yet, in words. */
  missing(): string[] {
    const starting = [...this.#entries].filter(([, entry]) => !entry.settled);
    const { isCatalogRead, lacking } = this.#parts;
    // Where others run, who asks for them is to be served.
    const lack = this.#entries.size === 0 ? lacking() : null;
    const catalog = isCatalogRead() ? (lack ?? []) : 'its control log has not been read yet';
    return [catalog, ...starting.map(([name]) => `keyspace ${name} is starting`)].flat();
  }

  /** Where writes of the keyspace go: 307 with the site that takes them, 404, or 503 when that cannot be told yet. */
  elsewhere(name: string): Fault {
    const { site, urlOf } = this.#parts;
    const current = this.current(name);
    if (current === null) return this.unknown(name);
    const primary = this.primaryOf(name)!;
    if (primary === site) {
      return new Fault('unavailable', `keyspace ${name} is starting at ${site}`, { retryAfterMs: 500 });
    }
    return redirectTo(`keyspace ${name} is written at ${primary}, this is ${site}`, primary, urlOf(primary));
  }

  /** No such keyspace, or none that is known of yet: the own control log may be a new one, or an older copy. */
  unknown(name: string): Fault {
    const { site, isCatalogRead, unheard, lacking } = this.#parts;
    const unread = isCatalogRead() ? unheard() : [site];
    if (unread.length > 0) {
      const message = `keyspace ${name} is not known at site ${site}, which has not read the control log of ${unread.join(', ')} yet`;
      return new Fault('unavailable', message, { retryAfterMs: 500 });
    }
    const lack = lacking();
    if (lack !== null) {
      const message = `keyspace ${name} is not known at site ${site}, and may be defined all the same: ${lack}`;
      return new Fault('unavailable', message, { retryAfterMs: 1_000 });
    }
    const expected = [...this.#entries.keys()].sort().join(', ');
    const message = `no keyspace "${name}" at site ${site}; there are: ${expected === '' ? 'none' : expected}`;
    return new Fault('notFound', message, { got: name, expected });
  }

  /** Call after the services were asked to stop: waits for what was being started. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#entries.values()].map((entry) => entry.started));
  }

  /** Begins to stop: nothing more is started. */
  close(): void {
    this.#stop.abort();
  }
}

/** 307 to another site, or 503 while nobody knows where it is. */
export function redirectTo(message: string, site: string, url: string | null): Fault {
  if (url !== null) return new Fault('notLeader', message, { location: url, expected: site });
  return new Fault('unavailable', `${message}; where ${site} is has not been heard`, { retryAfterMs: 1_000 });
}
