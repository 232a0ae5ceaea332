/** A row of the table of faults: what is broken on real processes, brokers and Redis, and what must hold all the same. */

import { DrillLoad } from '@tidemark/cli/drill/drill-load';
import { type DrillReport, isBalanced } from '@tidemark/cli/drill/report';
import type { Stage } from '@tidemark/cli/drill/stage';
import type { Engine } from '@tidemark/dev/sites';
import { integerBetween, type Random } from '@tidemark/platform/random';

export type Trial = {
  readonly stage: Stage;
  /** For this trial's ledger alone. */
  readonly folder: string;
  readonly size: number;
  readonly random: Random;
  readonly say: (line: string) => void;
  /** While it is there, what the row has injected takes effect. */
  readonly stuckFile: string;
};

/** What was measured, for the table; names end in their unit. */
export type Figures = Readonly<Record<string, number | string | boolean | null>>;

export type FaultRow = {
  /** Its number in the table of faults. */
  readonly row: number;
  /** By which a script names it, where it is held by scripts only. */
  readonly name?: string;
  readonly fault: string;
  readonly promise: string;
  /** What `size` counts, and how much of it a test run and a thorough run take. */
  readonly sizeIs: string;
  readonly small: number;
  readonly large: number;
  /** Weakenings of production under each of which it must not hold. */
  readonly mutants: readonly string[];
  /** The size at which it does not hold under them, where that is not `small`. */
  readonly mutantSize?: number;
  /** How the keyspace differs from the usual one: sync(1), automatic failover. */
  readonly keyspace?: Readonly<Record<string, unknown>>;
  /** The sites it needs, the first one its primary; three with data unless told. */
  readonly sites?: Readonly<Record<string, 'data' | 'witness'>>;
  /** On which it is held unless told; Kafka unless it says so. */
  readonly engine?: Engine;
  /** A fault that has to be built into the sites' processes, by its name among the weakenings. */
  readonly injected?: string;
  /** Why it cannot be shown on this machine; null when it can. */
  readonly obstacle?: () => Promise<string | null>;
  /** @throws {BrokenPromise} what did not hold; anything else: the trial could not be held */
  readonly run: (trial: Trial) => Promise<Figures>;
};

/** What must hold did not. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

/** @throws {BrokenPromise} `what`, unless it holds */
export function promise(holds: boolean, what: string): void {
  if (!holds) throw new BrokenPromise(what);
}

/** Rows a second and in a batch: many small acks, so that a pause shows. */
export const RATE = 1_000;
export const BATCH_ROWS = 20;
export const TAKEOVER_MS_MAX = 60_000;

/** A load of flights on the trial's own ledger. */
export function loadOf({ stage, folder }: Trial): DrillLoad {
  return new DrillLoad({ urls: stage.urls, keyspace: stage.keyspace, folder, batchRows: BATCH_ROWS, rate: RATE });
}

/** Waits for so many seconds of acks. */
export async function calm(load: DrillLoad, seconds: number): Promise<void> {
  await load.more(RATE * seconds, seconds * 1_000 + TAKEOVER_MS_MAX);
}

/** @throws {BrokenPromise} the client's ledger and the sites do not agree */
export function promiseBalance(
  report: Pick<DrillReport, 'ledger' | 'digestsEqual'>,
  examples: readonly string[],
): void {
  const { acked, kept, missing, wrong, extra } = report.ledger;
  const found = `acked ${acked}, kept ${kept}, missing ${missing}, wrong ${wrong}, from nowhere ${extra}`;
  const digests = report.digestsEqual ? 'equal' : 'different';
  promise(isBalanced(report), `the ledger does not balance: ${found}; digests ${digests}; ${examples.join('; ')}`);
}

/** One of several, by chance. */
export function oneOf<T>(random: Random, all: readonly T[]): T {
  return all[integerBetween(random, 0, all.length - 1)]!;
}
