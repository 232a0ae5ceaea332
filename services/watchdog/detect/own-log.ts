/** Whether this site's own log answers: without it nothing is written, copied or voted here, however alive the process is. */

import type { Clock } from '@tidemark/platform/clock';

const ASK_EVERY_MS = 1_000;
/** A log that is away for less is waited for, and nobody has to know. */
const SILENT_MS_MAX = 5_000;

type OwnLogParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly reachesLog: (site: string) => Promise<boolean>;
};

/** Asks the own log over and over, and tells when it has not answered for too long. */
export class OwnLog {
  readonly #parts: OwnLogParts;
  #answeredMs: number;

  constructor(parts: OwnLogParts) {
    this.#parts = parts;
    this.#answeredMs = parts.clock.monotonicMs();
  }

  /** Asks it until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { site, clock, reachesLog } = this.#parts;
    while (!signal.aborted) {
      if (await reachesLog(site)) this.#answeredMs = clock.monotonicMs();
      await clock.sleep(ASK_EVERY_MS, signal);
    }
  }

  /** In words; null: it answers. */
  trouble(): string | null {
    const silentMs = this.#parts.clock.monotonicMs() - this.#answeredMs;
    return silentMs <= SILENT_MS_MAX ? null : `its log has not answered for ${Math.round(silentMs / 1_000)} s`;
  }
}
