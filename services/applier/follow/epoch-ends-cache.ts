/** Where terms ended in each partition of a keyspace, as far as it is known here. The folds of all origins share it. */

import { formatPosition, type Position } from '@tidemark/model/position';
import type { Logger } from '@tidemark/platform/logger';
import type { EpochEnd, KnownEpochEnds } from './known-epoch-ends.ts';

/**
 * Every partition's known epoch ends of one keyspace; an epoch end that contradicts a known one is logged and not
 * taken.
 */
export class EpochEndsCache {
  readonly #keyspace: string;
  readonly #knownEpochEndsByPartition: readonly KnownEpochEnds[];
  readonly #logger: Logger;

  /** @param knownEpochEndsByPartition by partition */
  constructor(keyspace: string, knownEpochEndsByPartition: readonly KnownEpochEnds[], logger: Logger) {
    this.#keyspace = keyspace;
    this.#knownEpochEndsByPartition = knownEpochEndsByPartition;
    this.#logger = logger;
  }

  /** By partition. */
  get all(): EpochEnd[][] {
    return this.#knownEpochEndsByPartition.map((knownEpochEnds) => knownEpochEnds.epochEnds);
  }

  /** Of one partition. */
  of(partition: number): KnownEpochEnds {
    return this.#knownEpochEndsByPartition[partition]!;
  }

  /** Last seq of the origin's epoch that counts in the partition, −1 for none; null while it is not closed. */
  epochEndOf(origin: string, partition: number, epoch: number): number | null {
    return this.#knownEpochEndsByPartition[partition]?.epochEndOf(origin, epoch) ?? null;
  }

  /** The origin's epoch ends at `at` in the partition. True when that was not known; another epoch end known is an alarm. */
  learn(partition: number, origin: string, { epoch, seq }: Position): boolean {
    const epochEnd = { origin, epoch, seq };
    const learnt = this.of(partition).learn(epochEnd);
    if (typeof learnt === 'object') this.#alarm(partition, epochEnd, learnt.other);
    return learnt === 'new';
  }

  #alarm(partition: number, told: EpochEnd, known: EpochEnd): void {
    const words = ({ origin, epoch, seq }: EpochEnd): string => `${origin} ${formatPosition({ epoch, seq })}`;
    const message = `keyspace ${this.#keyspace}, partition ${partition}: told of an epoch end at ${words(told)}, known is ${words(known)}`;
    this.#logger.error({ partition, told, known }, message);
  }
}
