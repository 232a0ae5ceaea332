/** Writes a site's own share of a divergent suffix out as soon as it is known to be one, without being asked. */

import { type Amount, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import type { Clock } from '@tidemark/platform/clock';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import type { KeyspaceApplier } from '../applier.ts';
import type { Membership } from '../membership.ts';
import type { DivergentSuffixes } from './suffixes.ts';

const LOOK_MS = 1_000;

type SuffixKeeperParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly tails: DivergentSuffixes;
  readonly membership: Membership;
  readonly appliers: () => readonly KeyspaceApplier[];
};

/** A loop over the keyspaces here: what was passed over of an origin is written once everything there was read. */
export class SuffixKeeper {
  readonly #parts: SuffixKeeperParts;

  constructor(parts: SuffixKeeperParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(LOOK_MS, signal);
      for (const applier of this.#parts.appliers()) if (!signal.aborted) await this.look(applier, signal);
    }
  }

  #record(keyspace: string, epoch: number, lost: Amount, words: string): void {
    const { membership, random, clock, site } = this.#parts;
    membership.record({
      ...NOTHING_ELSE,
      ...{ id: random.id(), atMs: clock.nowMs(), site, keyspace, kind: 'tail', outcome: 'done', epoch, from: site },
      rule: 'records beyond the epoch end of their epoch do not count, and are not thrown away unseen',
      lost,
      remedy: `tidemark return ${site} --tail apply writes again what is lost of it`,
      words,
    });
  }

  /** Writes what has been passed over, once everything there is has been read. */
  async look(applier: KeyspaceApplier, signal: AbortSignal): Promise<void> {
    const { logger, site, tails } = this.#parts;
    const { name: keyspace } = applier.stores.keyspace;
    for (const origin of [...applier.unwrittenTails]) {
      if (!applier.origins.readers(origin).every((reader) => reader.caughtUp)) continue;
      // What is passed over from now on is a reason to write again.
      applier.unwrittenTails.delete(origin);
      try {
        const asked = { origin, others: [], classify: false, fate: 'exported', primary: () => site } as const;
        for (const { epoch, records, rows, sha256, file } of (await tails.write(applier, asked, signal)).tails) {
          const message = `keyspace ${keyspace}: ${rows} rows of epoch ${epoch} of ${origin} lie beyond its epoch end: written to ${file}`;
          logger.warn({ keyspace, origin, epoch, records, rows, sha256, file }, message);
          if (origin === site) this.#record(keyspace, epoch, { records, rows }, `SHA-256 ${sha256}, in ${file}`);
        }
      } catch (error) {
        if (!isFault(error)) throw error;
        applier.unwrittenTails.add(origin);
        if (!signal.aborted)
          logger.error({ keyspace, origin }, `keyspace ${keyspace}: tail not written: ${messageOf(error)}`);
      }
    }
  }
}
