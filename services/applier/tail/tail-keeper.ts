/** Writes a site's own share of a divergent tail out as soon as it is known to be one, without being asked. */

import type { Clock } from '@tidemark/world/clock';
import { isFault, messageOf } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import type { KeyspaceApplier } from '../applier.ts';
import type { Tails } from './tails.ts';

const LOOK_MS = 1_000;

export type TailKeeperParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tails: Tails;
  readonly appliers: () => readonly KeyspaceApplier[];
};

export class TailKeeper {
  readonly #parts: TailKeeperParts;

  constructor(parts: TailKeeperParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(LOOK_MS, signal);
      for (const applier of this.#parts.appliers()) if (!signal.aborted) await this.look(applier, signal);
    }
  }

  /** Writes what has been passed over, once everything there is has been read. */
  async look(applier: KeyspaceApplier, signal: AbortSignal): Promise<void> {
    const { logger, site, tails } = this.#parts;
    const { name: keyspace } = applier.stores.keyspace;
    for (const origin of applier.unwrittenTails) {
      if (!applier.readers(origin).every((reader) => reader.caughtUp)) continue;
      // What is passed over from now on is a reason to write again.
      applier.tailWritten(origin);
      try {
        const asked = { origin, others: [], classify: false, fate: 'exported', primary: () => site } as const;
        for (const { epoch, records, rows, sha256, file } of (await tails.write(applier, asked, signal)).tails) {
          const message = `keyspace ${keyspace}: ${rows} rows of epoch ${epoch} of ${origin} lie beyond its cut: written to ${file}`;
          logger.warn({ keyspace, origin, epoch, records, rows, sha256, file }, message);
        }
      } catch (error) {
        if (!isFault(error)) throw error;
        applier.tailUnwritten(origin);
        if (!signal.aborted)
          logger.error({ keyspace, origin }, `keyspace ${keyspace}: tail not written: ${messageOf(error)}`);
      }
    }
  }
}
