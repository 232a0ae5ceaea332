/**
 * The Board of the simulator: in memory. A SimBoardStore is what one site's Redis holds; each SimBoard is one process's
 * connection to it. The store's fields and methods are the faults: unreachable, empty after a restart, one beat
 * forgotten, and standing still, so that commands are answered by nobody and executed later.
 */

import { Fault } from '@tidemark/platform/fault';
import { type Beat, type Board, byRoleAndProcess, decodeBeat, encodeBeat } from '../heartbeats/board.ts';

export class SimBoardStore {
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

export class SimBoard implements Board {
  readonly address = 'sim';
  readonly #store: SimBoardStore;

  constructor(store: SimBoardStore) {
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
