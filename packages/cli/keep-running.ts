/** Starts again what ended by itself, as a service manager would: one site that ends ends no other. */

import { messageOf } from '@tidemark/platform/fault';

const LOOK_MS = 200;
const WAIT_MS_MIN = 1_000;
/** What ends again and again is started ever more rarely. */
const WAIT_MS_MAX = 30_000;
/** Whoever ran for so long is started again at once. */
const STEADY_MS = 60_000;

/** A process that is to run for as long as the command does. */
export type Kept = {
  readonly name: string;
  readonly isRunning: boolean;
  /** @throws when it ended before it was ready; says why */
  readonly start: () => Promise<void>;
  /** Why it ended. */
  readonly endFault: () => Promise<Error>;
};

type Keeping = {
  readonly signal: AbortSignal;
  /** Told what ended, and when it is started again. */
  readonly note: (what: string) => void;
  readonly sleep: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
};

/** Resolves once `signal` aborts. */
export async function keepRunning(sites: readonly Kept[], keeping: Keeping): Promise<void> {
  await Promise.all(sites.map((site) => keepOne(site, keeping)));
}

async function keepOne(site: Kept, { signal, note, sleep, nowMs }: Keeping): Promise<void> {
  let waitMs = WAIT_MS_MIN;
  let startedMs = nowMs();
  while (!signal.aborted) {
    if (site.isRunning) {
      await sleep(LOOK_MS);
      continue;
    }
    if (nowMs() - startedMs > STEADY_MS) waitMs = WAIT_MS_MIN;
    const why = messageOf(await site.endFault());
    note(`site ${site.name} has ended; the others go on, and it is started again in ${waitMs / 1_000} s: ${why}`);
    await sleep(waitMs);
    waitMs = Math.min(WAIT_MS_MAX, waitMs * 2);
    if (signal.aborted) return;
    startedMs = nowMs();
    await site.start().then(
      () => note(`site ${site.name} runs again`),
      (error: unknown) => note(`site ${site.name} does not start: ${messageOf(error)}`),
    );
  }
}
