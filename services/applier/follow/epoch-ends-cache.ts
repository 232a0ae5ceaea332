/** Where reigns ended in each partition of a keyspace, as far as it is known here. The folds of all origins share it. */

import { formatPosition, type Position } from '@tidemark/model/position';
import type { Logger } from '@tidemark/platform/logger';
import type { Cut, Succession } from './epoch-ends.ts';

export class KnownCuts {
  readonly #keyspace: string;
  readonly #successions: readonly Succession[];
  readonly #logger: Logger;

  /** @param successions by partition */
  constructor(keyspace: string, successions: readonly Succession[], logger: Logger) {
    this.#keyspace = keyspace;
    this.#successions = successions;
    this.#logger = logger;
  }

  /** By partition. */
  get all(): Cut[][] {
    return this.#successions.map((succession) => succession.cuts);
  }

  /** Of one partition. */
  of(partition: number): Succession {
    return this.#successions[partition]!;
  }

  /** Last seq of the origin's epoch that counts in the partition, −1 for none; null while it is not closed. */
  cutOf(origin: string, partition: number, epoch: number): number | null {
    return this.#successions[partition]?.cutOf(origin, epoch) ?? null;
  }

  /** The origin's epoch ends at `at` in the partition. True when that was not known; another cut known is an alarm. */
  learn(partition: number, origin: string, { epoch, seq }: Position): boolean {
    const cut = { origin, epoch, seq };
    const learnt = this.of(partition).learn(cut);
    if (typeof learnt === 'object') this.#alarm(partition, cut, learnt.other);
    return learnt === 'new';
  }

  #alarm(partition: number, told: Cut, known: Cut): void {
    const words = ({ origin, epoch, seq }: Cut): string => `${origin} ${formatPosition({ epoch, seq })}`;
    const message = `keyspace ${this.#keyspace}, partition ${partition}: told of a cut at ${words(told)}, known is ${words(known)}`;
    this.#logger.error({ partition, told, known }, message);
  }
}
