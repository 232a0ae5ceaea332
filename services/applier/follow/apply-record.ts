/** What an accepted record does to a keyspace's stores, by its kind. */

import type { Keyspace } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { SchemaPlace, Stores } from '../keyspace/stores.ts';
import type { ClosedTimestamp } from './closed-timestamp.ts';
import type { Counts } from './counts.ts';
import type { Lag } from './lag.ts';
import type { Held } from './record-sequencer.ts';

const RETRY_MS = 1_000;

type ApplyParts = {
  readonly stores: Stores;
  readonly asOf: ClosedTimestamp;
  readonly counts: Counts;
  readonly lag: Lag;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when no more is to be applied. */
  readonly signal: AbortSignal;
};

/** Only what takes a newer keyspace over is waited for; rows are in the memtables at once. */
export function applyRecord(parts: ApplyParts, { envelope }: Held): void | Promise<void> {
  const { stores, asOf, counts, lag } = parts;
  const { body, origin, partition, epoch, seq } = envelope;
  const at = { epoch, seq };
  counts.applied(origin);
  switch (body.kind) {
    case 'Mutate': {
      const rows = stores.mutate(envelope, body);
      if (rows === 0) return;
      counts.rows(origin, rows);
      lag.add(envelope.stampMs);
      return;
    }
    case 'Schema':
      // Each partition tells of it, and it may be long.
      if (body.version <= stores.keyspace.version) return stores.advance(origin, partition, at);
      return evolve(parts, JSON.parse(body.keyspace) as Keyspace, { origin, partition, ...at }).then(() =>
        stores.advance(origin, partition, at),
      );
    case 'Barrier': {
      const stamp = { ms: envelope.stampMs, counter: envelope.stampCounter };
      asOf.add({ origin, at, stamp, heads: body.heads });
      return stores.advance(origin, partition, at);
    }
    default:
      return stores.advance(origin, partition, at);
  }
}

/** Takes over a newer keyspace; a full disk is waited out. */
async function evolve(
  { stores, clock, logger, signal }: ApplyParts,
  keyspace: Keyspace,
  at: SchemaPlace,
): Promise<void> {
  while (!signal.aborted) {
    try {
      return await stores.evolve(keyspace, at);
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error;
      logger.error({ keyspace: keyspace.name }, `keyspace ${keyspace.name}: ${error.message}`);
      await clock.sleep(RETRY_MS, signal);
    }
  }
}
