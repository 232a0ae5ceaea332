/**
 * A site that ends again and again for the same reason helps nobody by being started once more. How its processes ended is
 * written down in its folder; after three times the same it stays up, takes no part, and says why.
 */

import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, isRefusal, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Random } from '@tidemark/platform/random';
import { asWritten, readDerived, writeState } from '@tidemark/platform/state-file';
import type { Config } from './config/config.ts';
import { hostsOf } from './http/callers.ts';
import { listen } from './http/listen.ts';
import { createHttp, registerProbes } from './http/server.ts';

const FILE = 'ended.json';
/** So often the same, and it is no accident. */
const TIMES = 3;
/** Endings further apart than this are no loop. */
const APART_MS_MAX = 600_000;

type Ending = { readonly reason: string; readonly atMs: number };

/** How the last processes of a site ended. */
export class Endings {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(disk: Disk, clock: Clock, logger: Logger) {
    this.#disk = disk;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Written as this process ends. What cannot be written down is only not known the next time. */
  async note(error: unknown): Promise<void> {
    try {
      const ending = { reason: messageOf(error).slice(0, 1_000), atMs: this.#clock.nowMs() };
      await this.#disk.makeFolder('.');
      await writeState(this.#disk, FILE, [...(await this.#read()), ending].slice(-TIMES));
    } catch (failed) {
      this.#logger.warn({ error: messageOf(failed) }, 'how this process ends could not be written down');
    }
  }

  /**
   * Why the last processes ended, when that was the same each time and in quick knownEpochEnds; else null. Asking begins the
   * count anew, so that the next start tries again.
   */
  async takeRepeated(): Promise<string | null> {
    const endings = await this.#read();
    const [first] = endings;
    if (first === undefined || endings.length < TIMES) return null;
    const isSame = endings.every(({ reason }) => withoutNumbers(reason) === withoutNumbers(first.reason));
    const isQuick = endings.every(({ atMs }, i) => i === 0 || atMs - endings[i - 1]!.atMs <= APART_MS_MAX);
    if (!isSame || !isQuick || this.#clock.nowMs() - endings.at(-1)!.atMs > APART_MS_MAX) return null;
    await this.#disk.remove(FILE);
    return first.reason;
  }

  async #read(): Promise<Ending[]> {
    return (await readDerived(this.#disk, FILE, asWritten<Ending[]>(), this.#logger)) ?? [];
  }
}

/** True for what another start may meet again: not a folder or port that somebody else has, nor a wrong setting. */
export function isWorthNoting(error: unknown): boolean {
  return !isFault(error, 'unavailable') && !isRefusal(error);
}

/** The same each time: a number in it may be a port, a place or a process. */
function withoutNumbers(reason: string): string {
  return reason.replace(/\d+/g, '#');
}

/**
 * Answers `/livez`, and everything else with 503 and the reason.
 * @throws {Fault} `unavailable`: the port is in use
 */
export async function serveOutOfDuty(
  config: Config,
  reason: string,
  { random, logger }: { readonly random: Random; readonly logger: Logger },
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const { site, bodyBytesMax } = config;
  const why = `it ended ${TIMES} times for the same reason and stays out of duty until it is started again: ${reason}`;
  const refusal = `site ${site} is out of duty: ${why}`;
  const app = createHttp({
    random,
    logger,
    bodyBytesMax,
    hosts: hostsOf(config),
    onFatal: () => undefined,
    refusal: () => refusal,
    onAnswered: () => undefined,
  });
  registerProbes(app, {
    site,
    missing: () => [why],
    writable: () => false,
    epochOf: () => null,
    metrics: () => Promise.reject(new Fault('unavailable', refusal)),
  });
  app.get('/v1/status', () => Promise.reject(new Fault('unavailable', refusal)));
  const url = await listen(app, config.listen);
  logger.error({ reason, url }, refusal);
  return { url, stop: () => app.close() };
}
