/**
 * What this process knows of every keyspace's register: the newest value known to be chosen. It re-reads all of them at
 * start and every five seconds, and takes what it hears meanwhile. Old news are possible, wrong ones are not.
 */

import { type Register, VotedRegister } from '@tidemark/control/register';
import { initialValue, type RegisterValue } from '@tidemark/control/register-value';
import { type Birth, birthOf } from '@tidemark/control/vouching';
import type { Keyspace } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import { Fault, isFault, messageOf } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import type { Network } from '@tidemark/world/network';
import type { Random } from '@tidemark/world/random';

export const REREAD_EVERY_MS = 5_000;
const RETRY_MS = 250;

export type RegisterViewParts = {
  readonly site: string;
  readonly network: Network;
  readonly placeOf: (site: string) => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
};

/** `before` is what was known until now, null for nothing. */
export type RegisterListener = (value: RegisterValue, before: RegisterValue | null) => void;

export class RegisterView implements AsyncDisposable {
  readonly #parts: RegisterViewParts;
  readonly #registers = new Map<string, VotedRegister>();
  readonly #values = new Map<string, RegisterValue>();
  readonly #births = new Map<string, Birth>();
  readonly #listeners = new Set<RegisterListener>();
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];

  constructor(parts: RegisterViewParts) {
    this.#parts = parts;
  }

  /** Begins to follow a keyspace's register. @param keyspace as it was created: its first value follows from it */
  begin(keyspace: Keyspace): void {
    const { name } = keyspace;
    if (this.#registers.has(name)) return;
    const onChosen = (value: RegisterValue): void => this.heard(value);
    const register = new VotedRegister({ ...this.#parts, initial: initialValue(keyspace), onChosen });
    this.#registers.set(name, register);
    this.#running.push(this.#follow(name, register).catch(this.#parts.onFatal));
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

  /** Takes a value that was chosen. */
  heard(value: RegisterValue): void {
    const before = this.current(value.keyspace);
    if (before !== null && before.version >= value.version) return;
    const { keyspace, version, changeId } = value;
    this.#parts.logger.info({ keyspace, version, changeId }, `register of ${keyspace} is at version ${version}`);
    this.#values.set(value.keyspace, value);
    for (const listener of this.#listeners) listener(value, before);
  }

  async #follow(keyspace: string, register: Register): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#stop;
    for (let wasRead = true; !signal.aborted; ) {
      try {
        const value = await register.read(signal);
        if (!this.#births.has(keyspace)) this.#births.set(keyspace, birthOf(value));
        if (!wasRead) logger.info({ keyspace }, `register of ${keyspace}: can be read again`);
        wasRead = true;
      } catch (error) {
        if (!isFault(error)) throw error;
        if (wasRead && !signal.aborted)
          logger.warn({ keyspace, reason: messageOf(error) }, 'a register cannot be read');
        wasRead = false;
      }
      // What cannot be read yet is asked for sooner: at a start nobody knows who writes until it is.
      await clock.sleep(wasRead ? REREAD_EVERY_MS : RETRY_MS, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
