/** Follows what another site's mirror says it holds of this log, for as long as the writer lives. */

import type { Clock } from '@tidemark/platform/clock';
import { messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';
import { type Durable, parseDurable } from '@tidemark/record/durable';

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
/** The other side says something every second; after this long without a line the connection is given up. */
const SILENCE_MS_MAX = 5_000;

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
  const connection = new AbortController();
  const both = AbortSignal.any([signal, connection.signal]);
  let heardMs = clock.monotonicMs();
  const watch = async (): Promise<void> => {
    while (!both.aborted) {
      await clock.sleep(SILENCE_MS_MAX / 4, both);
      if (clock.monotonicMs() - heardMs > SILENCE_MS_MAX)
        connection.abort(new Error(`silent for ${SILENCE_MS_MAX} ms`));
    }
  };
  const watching = watch();
  const logId = listed();
  const floor = new URLSearchParams({ epoch: String(epoch), logId, floor: counted().join(',') });
  try {
    for await (const line of network.lines(`${url}/v1/internal/durable/${keyspace}/${origin}?${floor}`, both)) {
      heardMs = clock.monotonicMs();
      onDurable(parseDurable(line));
      // Another copy counts there now: it is told what was counted of that one.
      if (listed() !== logId) return;
    }
  } finally {
    connection.abort();
    await watching;
  }
}
