/**
 * How long things are kept, how often they are noted, and how far is looked back. In production it is the same for
 * everybody; the simulator, whose sites live for seconds, brings smaller ones, so that it sees what comes after them.
 */

export type Timing = {
  /** How often a writer notes where a later one may read the log on from, in ms. */
  readonly writerCheckpointMs: number;
  /** How long a request is known by its idempotency key, in ms of stamps. */
  readonly requestWindowMs: number;
  /** How many keys are known at most, in each partition. */
  readonly requestKeysMax: number;
  /** How many records of a partition are counted one by one for what a failover loses; of more, a bound is told. */
  readonly lossCountedMax: number;
};

/** What production runs with: idempotency keys are kept ten minutes, a writer's checkpoint is made every minute. */
export const TIMING: Timing = {
  writerCheckpointMs: 60_000,
  requestWindowMs: 600_000,
  requestKeysMax: 1_000_000,
  lossCountedMax: 200_000,
};
