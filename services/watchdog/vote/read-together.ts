/** Reads of registers that are asked for at the same moment go to each site as one request, however many keyspaces there are. */

import type { RegisterAnswer } from '@tidemark/control/consensus/register-request';
import type { Peer } from '@tidemark/peer/peer';
import { askTogether } from '@tidemark/peer/together';

type Answering = PromiseWithResolvers<RegisterAnswer | null>;

/** Gathers what is asked before the current turn of the program is over. */
export class ReadTogether {
  readonly #watcherAt: (site: string) => Peer;
  /** Site → keyspace → who waits for the answer. */
  readonly #asked = new Map<string, Map<string, Answering>>();

  /** @param watcherAt a site's process that watches and votes */
  constructor(watcherAt: (site: string) => Peer) {
    this.#watcherAt = watcherAt;
  }

  /** A site's vote on a register as it is; null: it did not say in time. */
  ask(site: string, keyspace: string): Promise<RegisterAnswer | null> {
    const known = this.#asked.get(site);
    const asked = known ?? new Map<string, Answering>();
    if (known === undefined) {
      this.#asked.set(site, asked);
      queueMicrotask(() => void this.#send(site, asked));
    }
    const answering = asked.get(keyspace) ?? Promise.withResolvers<RegisterAnswer | null>();
    asked.set(keyspace, answering);
    return answering.promise;
  }

  async #send(site: string, asked: ReadonlyMap<string, Answering>): Promise<void> {
    this.#asked.delete(site);
    try {
      const watcher = this.#watcherAt(site);
      const answers = await askTogether([...asked.keys()], (some) => watcher.registers(some));
      for (const [keyspace, { resolve }] of asked) resolve(answers.get(keyspace) ?? null);
    } catch (error) {
      for (const { reject } of asked.values()) reject(error);
    }
  }
}
