/** Follows what another site's mirror says it holds of this log, for as long as the writer lives. */

import { addressOf, STREAMS } from '@tidemark/peer/routes';
import type { Durable } from '@tidemark/peer/shapes';
import { linesOf } from '@tidemark/peer/stream';
import type { Clock } from '@tidemark/platform/clock';
import { messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;

type FollowerParts = {
  readonly site: string;
  readonly url: string;
  readonly keyspace: string;
  readonly origin: string;
  /** Of this term. */
  readonly epoch: number;
  /** The identity of the site's copy that counts now; empty: none does. */
  readonly listed: () => string;
  /** By partition, the highest seq that was counted of the copy, −1 for none: for it to see whether it holds that. */
  readonly counted: () => readonly number[];
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

/** Runs until `signal` aborts; a broken stream is taken up again, with jitter. */
export async function followDurable(
  parts: FollowerParts,
  signal: AbortSignal,
  onDurable: (durable: Durable) => void,
): Promise<void> {
  const { site, clock, random, logger } = parts;
  let retryMs = RETRY_MS_MIN;
  let told = false;
  while (!signal.aborted) {
    try {
      await followOnce(parts, signal, (durable) => {
        if (told) logger.info({ site }, 'durable stream is back');
        told = false;
        retryMs = RETRY_MS_MIN;
        onDurable(durable);
      });
    } catch (error) {
      if (!told && !signal.aborted) logger.warn({ site, error: messageOf(error) }, 'durable stream is down');
      told = true;
    }
    await clock.sleep(retryMs * (0.5 + random.fraction()), signal);
    retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
  }
}

async function followOnce(
  { url, keyspace, origin, epoch, listed, counted, network, clock }: FollowerParts,
  signal: AbortSignal,
  onDurable: (durable: Durable) => void,
): Promise<void> {
  const logId = listed();
  const asked = { epoch: String(epoch), logId, floor: counted().join(',') };
  const at = addressOf(url, STREAMS.durable.path, { keyspace, origin }, asked);
  for await (const durable of linesOf({ network, clock }, at, STREAMS.durable, signal)) {
    onDurable(durable);
    // Another copy counts there now: it is told what was counted of that one.
    if (listed() !== logId) return;
  }
}
