/**
 * The HeartbeatStore of the simulator: in memory. A SimHeartbeats is what one site's Redis holds; each SimHeartbeatStore is one process's
 * connection to it. The store's fields and methods are the faults: unreachable, empty after a restart, one beat
 * forgotten, and standing still, so that commands are answered by nobody and executed later.
 */

import { Fault } from '@tidemark/platform/fault';
import {
  type Beat,
  byRoleAndProcess,
  decodeBeat,
  encodeBeat,
  type HeartbeatStore,
} from '../heartbeats/heartbeat-store.ts';

export class SimHeartbeats {
  /** False: nothing gets there. */
  reachable = true;
  readonly #beats = new Map<string, string>();
  /** Commands that arrived while it stood still, in their order; null while it goes. */
  #late: (() => void)[] | null = null;

  /** It restarts empty. */
  forget(): void {
    this.#beats.clear();
  }

  /** One process's beat is gone, as if its time to live was over. */
  forgetOne(): void {
    const first = this.#beats.keys().next();
    if (first.done !== true) this.#beats.delete(first.value);
  }

  /** It stands still: what arrives is not answered, and executed when it goes on. */
  standStill(): void {
    this.#late ??= [];
  }

  goOn(): void {
    const late = this.#late ?? [];
    this.#late = null;
    for (const command of late) command();
  }

  /** @throws {Fault} `unavailable` */
  put(key: string, text: string): void {
    this.#arrive(() => this.#beats.set(key, text));
  }

  /** @throws {Fault} `unavailable` */
  texts(): string[] {
    this.#arrive(() => undefined);
    return [...this.#beats.values()];
  }

  #arrive(command: () => void): void {
    if (!this.reachable) throw new Fault('unavailable', 'board sim: cannot be reached');
    if (this.#late === null) {
      command();
      return;
    }
    this.#late.push(command);
    throw new Fault('unavailable', 'board sim: no answer');
  }
}

export class SimHeartbeatStore implements HeartbeatStore {
  readonly address = 'sim';
  readonly #store: SimHeartbeats;

  constructor(store: SimHeartbeats) {
    this.#store = store;
  }

  async beat(beat: Beat): Promise<void> {
    this.#store.put(`${beat.role}.${beat.process}`, encodeBeat(beat));
  }

  async beats(): Promise<Beat[]> {
    const beats = this.#store.texts().map(decodeBeat);
    return beats.filter((beat) => beat !== null).sort(byRoleAndProcess);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
