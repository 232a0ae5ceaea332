/**
 * What this process knows of every keyspace's register: the newest value known to be chosen. It re-reads all of them at
 * start and every five seconds, and takes what it hears meanwhile. Old news are possible, wrong ones are not.
 */

import type { Ballot } from '@tidemark/control/consensus/ballot';
import { type Register, VotedRegister } from '@tidemark/control/consensus/register';
import { whyNotAfter } from '@tidemark/control/consensus/register-follows';
import type { Accepted, RegisterAnswer, RegisterRequest } from '@tidemark/control/consensus/register-request';
import { initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { type Birth, birthOf } from '@tidemark/control/consensus/vouching';
import type { Keyspace } from '@tidemark/model/table';
import type { Peer } from '@tidemark/peer/peer';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import { Notifier } from '@tidemark/platform/sync/notifier';
import { ReadTogether } from './read-together.ts';

/** Between two reads of a register that nothing was heard of, ms. */
export const REREAD_EVERY_MS = 5_000;
const RETRY_MS = 250;

type RegisterViewParts = {
  readonly site: string;
  /** A site's process that watches and votes. */
  readonly watcherAt: (site: string) => Peer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told of every value that a quorum told this process was chosen. */
  readonly onRead?: (accepted: Accepted) => void;
  readonly onFatal: (error: unknown) => void;
};

/** `before` is what was known until now, null for nothing. */
export type RegisterListener = (value: RegisterValue, before: RegisterValue | null) => void;

/** The registers of all keyspaces as this process knows them; versions only rise. */
export class RegisterView implements AsyncDisposable {
  readonly #parts: RegisterViewParts;
  readonly #registers = new Map<string, VotedRegister>();
  readonly #values = new Map<string, RegisterValue>();
  readonly #births = new Map<string, Birth>();
  readonly #listeners = new Set<RegisterListener>();
  readonly #stop = new AbortController();
  readonly #reads: ReadTogether;
  #running: Promise<unknown> | null = null;
  /** Keyspace → when its register is read next; without end while it is being read. */
  readonly #dueMs = new Map<string, number>();
  /** Of keyspaces whose register could not be read the last time. */
  readonly #unread = new Set<string>();
  /** When one is due has changed. */
  readonly #news = new Notifier();
  /** Keyspace → the newest version that is said to be chosen, while it is read for that. */
  readonly #hinted = new Map<string, number>();
  readonly #reading = new Set<Promise<unknown>>();

  constructor(parts: RegisterViewParts) {
    this.#parts = parts;
    this.#reads = new ReadTogether(parts.watcherAt);
  }

  /** Begins to follow a keyspace's register. @param keyspace as it was created: its first value follows from it */
  begin(keyspace: Keyspace): void {
    const { name } = keyspace;
    if (this.#registers.has(name)) return;
    const onChosen = (value: RegisterValue, ballot: Ballot | null): void => {
      this.heard(value);
      if (ballot !== null && value.version > 0) this.#parts.onRead?.({ ballot, value });
    };
    const ask = async (site: string, request: RegisterRequest): Promise<RegisterAnswer | null> =>
      request.kind === 'read'
        ? this.#reads.ask(site, name)
        : (await this.#parts.watcherAt(site).register(name, request)).answer;
    const { site, clock, random } = this.#parts;
    const register = new VotedRegister({ initial: initialValue(keyspace), site, ask, clock, random, onChosen });
    this.#registers.set(name, register);
    this.#dueMs.set(name, clock.monotonicMs());
    this.#news.notify();
    // Those that are begun in the same turn are read together.
    this.#running ??= Promise.resolve()
      .then(() => this.#follow())
      .catch(this.#parts.onFatal);
  }

  /** Whether a keyspace's register is followed here. */
  knows(keyspace: string): boolean {
    return this.#registers.has(keyspace);
  }

  /** The newest value known to be chosen; null while none was read or heard. */
  current(keyspace: string): RegisterValue | null {
    return this.#values.get(keyspace) ?? null;
  }

  /** What stood there when this process first read it from a quorum; null: it has not yet. */
  birth(keyspace: string): Birth | null {
    return this.#births.get(keyspace) ?? null;
  }

  /** @throws {Fault} `unavailable`: no such keyspace is known here, yet */
  register(keyspace: string): Register {
    return this.votedRegister(keyspace);
  }

  /** The same, with what operators need. @throws {Fault} as `register` */
  votedRegister(keyspace: string): VotedRegister {
    const found = this.#registers.get(keyspace);
    if (found !== undefined) return found;
    throw new Fault('unavailable', `register of ${keyspace}: no such keyspace is known at ${this.#parts.site} yet`);
  }

  /** Calls the listener for every newer value from now on, and at once for those known already. */
  onChange(listener: RegisterListener): Disposable {
    this.#listeners.add(listener);
    for (const value of this.#values.values()) listener(value, null);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Takes a value that was chosen, where it follows from the one that is known. */
  heard(value: RegisterValue): void {
    const before = this.current(value.keyspace);
    if (before !== null && before.version >= value.version) return;
    const wrong = before === null ? null : whyNotAfter(before, value);
    if (wrong !== null) {
      const { version, keyspace } = value;
      this.#parts.logger.error(
        { keyspace, version },
        `register of ${keyspace}: version ${version} is not taken: ${wrong}`,
      );
      return;
    }
    const { keyspace, version, changeId } = value;
    this.#parts.logger.info({ keyspace, version, changeId }, `register of ${keyspace} is at version ${version}`);
    this.#values.set(value.keyspace, value);
    for (const listener of this.#listeners) listener(value, before);
  }

  /**
   * Somebody says that a newer version was chosen: it is read from a quorum. One reading at a time, and one more where it
   * was said again meanwhile, so that nobody keeps this process busy by saying it.
   */
  hint(keyspace: string, version: number): void {
    const register = this.#registers.get(keyspace);
    if (register === undefined || this.#stop.signal.aborted) return;
    if ((this.current(keyspace)?.version ?? -1) >= version) return;
    const isReading = this.#hinted.has(keyspace);
    this.#hinted.set(keyspace, Math.max(version, this.#hinted.get(keyspace) ?? 0));
    if (isReading) return;
    this.#track(this.#readHinted(keyspace, register));
  }

  async #readHinted(keyspace: string, register: Register): Promise<void> {
    try {
      for (let read = -1; read < this.#hinted.get(keyspace)!; ) {
        read = this.#hinted.get(keyspace)!;
        await register.read(this.#stop.signal);
        if ((this.current(keyspace)?.version ?? -1) >= this.#hinted.get(keyspace)!) break;
      }
    } catch (error) {
      if (!isFault(error)) throw error;
    } finally {
      this.#hinted.delete(keyspace);
    }
  }

  /** What is due at the same moment is asked for together: all of them stand at whole steps of the clock. */
  async #follow(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const seen = this.#news.count;
      const nowMs = clock.monotonicMs();
      for (const [keyspace, dueMs] of this.#dueMs) if (dueMs <= nowMs) this.#track(this.#readAgain(keyspace));
      const nextMs = Math.min(nowMs + REREAD_EVERY_MS, ...this.#dueMs.values());
      await this.#news.within(clock, nextMs - nowMs, seen, signal);
    }
  }

  #track(reading: Promise<void>): void {
    const tracked: Promise<unknown> = reading.catch(this.#parts.onFatal).finally(() => this.#reading.delete(tracked));
    this.#reading.add(tracked);
  }

  async #readAgain(keyspace: string): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#stop;
    this.#dueMs.set(keyspace, Number.POSITIVE_INFINITY);
    try {
      const value = await this.votedRegister(keyspace).read(signal);
      if (!this.#births.has(keyspace)) this.#births.set(keyspace, birthOf(value));
      if (this.#unread.delete(keyspace)) logger.info({ keyspace }, `register of ${keyspace}: can be read again`);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (!this.#unread.has(keyspace) && !signal.aborted)
        logger.warn({ keyspace, reason: messageOf(error) }, 'a register cannot be read');
      this.#unread.add(keyspace);
    }
    // What cannot be read yet is asked for sooner: at a start nobody knows who writes until it is.
    const stepMs = this.#unread.has(keyspace) ? RETRY_MS : REREAD_EVERY_MS;
    this.#dueMs.set(keyspace, (Math.floor(clock.monotonicMs() / stepMs) + 1) * stepMs);
    this.#news.notify();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#running, ...this.#reading]);
  }
}
