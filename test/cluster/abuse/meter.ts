/** What a site's neighbours and clients see of it: probes and puts sent at a steady pace, suspicions, memory. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from '@tidemark/cli/drill/stage';
import { HttpNetwork } from '@tidemark/platform/network';
import { memoryMb } from '../../bench/process-cost.ts';

const PROBE_EVERY_MS = 25;
const PUT_EVERY_MS = 50;
const LOOK_EVERY_MS = 100;
/** As the watchdogs do: given up after this long, over a connection of its own. */
const PROBE_MS = 1_000;
const PUT_MS = 20_000;
const ALONE = { connection: 'close' };
/** So many may be under way; more would measure the one who measures. */
const UNDER_WAY_MAX = 100;

/** How long something took, and when it was over, by this process's clock. */
export type Taken = { readonly ms: number; readonly atMs: number };

export type Measured = {
  readonly probes: readonly Taken[];
  readonly puts: readonly Taken[];
  /** Lateness of this process's own timers, which is none of the site's. */
  readonly ownMs: readonly number[];
  readonly refusedWithRetry: number;
  readonly failed: Readonly<Record<string, number>>;
  readonly suspicions: number;
  readonly rssMb: number;
};

type Open = { probes: Taken[]; puts: Taken[]; ownMs: number[]; refused: number; suspicions: number; rssMb: number };

export class Meter {
  readonly #stage: Stage;
  readonly #target: string;
  readonly #network = new HttpNetwork();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  #open: Open = opened();
  #failed: Record<string, number> = {};
  #putCount = 0;

  constructor(stage: Stage, target: string) {
    this.#stage = stage;
    this.#target = target;
    this.#running.push(
      this.#every(PROBE_EVERY_MS, () => this.#probe()),
      this.#every(PUT_EVERY_MS, () => this.#put()),
      this.#every(LOOK_EVERY_MS, () => this.#look()),
    );
  }

  /** What was measured since it was last taken. */
  take(): Measured {
    const { refused, ...measured } = this.#open;
    const failed = this.#failed;
    this.#open = opened();
    this.#failed = {};
    return { ...measured, refusedWithRetry: refused, failed };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  /** Begins one at every step, whether or not those before are over. */
  async #every(stepMs: number, one: () => Promise<void>): Promise<void> {
    const underWay = new Set<Promise<void>>();
    let dueMs = performance.now();
    while (!this.#stop.signal.aborted) {
      if (underWay.size < UNDER_WAY_MAX) {
        const begun = one().finally(() => underWay.delete(begun));
        underWay.add(begun);
      }
      dueMs += stepMs;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      this.#open.ownMs.push(Math.max(0, performance.now() - dueMs));
      dueMs = Math.max(dueMs, performance.now() - stepMs);
    }
    await Promise.all(underWay);
  }

  async #probe(): Promise<void> {
    const beganMs = performance.now();
    const answer = await this.#network
      .ask(`${this.#stage.site(this.#target).peerUrl}/v1/internal/ping`, null, PROBE_MS, ALONE)
      .catch(() => null);
    if (answer?.status !== 200) this.#fail('probe unanswered');
    this.#open.probes.push(taken(beganMs));
  }

  async #put(): Promise<void> {
    const beganMs = performance.now();
    const line = 2_000_000_000 + (this.#putCount++ % 1_000);
    const row = { origin: 'PUT', date: '2001-01-10T18:20:00Z', destination: 'X', line, delay: 1, distance: 1 };
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
    try {
      const response = await fetch(`${this.#stage.site(this.#target).url}/v1/travel/flights/rows`, {
        ...init,
        body: JSON.stringify({ rows: [row] }),
        signal: AbortSignal.timeout(PUT_MS),
      });
      await response.arrayBuffer();
      if (response.status === 503 && response.headers.has('retry-after')) this.#open.refused++;
      else {
        if (!response.ok) this.#fail(`put ${response.status}`);
        this.#open.puts.push(taken(beganMs));
      }
    } catch {
      this.#fail('put broken');
      this.#open.puts.push(taken(beganMs));
    }
  }

  async #look(): Promise<void> {
    this.#open.rssMb = Math.max(this.#open.rssMb, memoryMb(this.#process()));
    const healthVotes = this.#stage.others(this.#target).map(async ({ peerUrl }) => {
      const asked = `${peerUrl}/v1/internal/healthVote/${this.#stage.keyspace}`;
      const { body } = await this.#network.ask(asked, null, PROBE_MS).catch(() => ({ body: null }));
      return (body as { readonly suspects?: boolean } | null)?.suspects === true;
    });
    if ((await Promise.all(healthVotes)).includes(true)) this.#open.suspicions++;
  }

  #process(): { readonly name: string; readonly pid: number } {
    const { name, pid } = this.#stage.site(this.#target);
    return { name, pid };
  }

  #fail(what: string): void {
    this.#failed[what] = (this.#failed[what] ?? 0) + 1;
  }
}

function opened(): Open {
  return { probes: [], puts: [], ownMs: [], refused: 0, suspicions: 0, rssMb: 0 };
}

function taken(beganMs: number): Taken {
  const atMs = performance.now();
  return { ms: atMs - beganMs, atMs };
}
