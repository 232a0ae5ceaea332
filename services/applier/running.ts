/**
 * A keyspace as it runs at a site: its applier, and another one in its place whenever the column files turn out to hold
 * records beyond an epoch end.
 */

import type { Keyspace } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { Mutex } from '@tidemark/platform/sync/mutex';
import type { KeyspaceApplier, Known } from './applier.ts';
import type { Tick } from './follow/closed-timestamp.ts';
import type { EpochEnd } from './follow/known-epoch-ends.ts';
import type { ToldAsOf } from './keyspace/told-as-of.ts';
import type { Replays } from './replay/replays.ts';

type RunningParts = {
  /** Opens the stores and begins to read. */
  readonly begin: (known: Known) => Promise<KeyspaceApplier>;
  /** What readers have been told of it, as it was written down. */
  readonly openTold: () => Promise<ToldAsOf>;
  readonly replays: Pick<Replays, 'open' | 'close'>;
  /** By partition: the epoch ends that this site was told of, newest included. */
  readonly epochEnds: () => readonly (readonly EpochEnd[])[];
  readonly onFatal: (error: unknown) => void;
};

/** One keyspace from its start until disposal, over as many appliers as that takes. */
export class RunningKeyspace implements AsyncDisposable {
  readonly #parts: RunningParts;
  readonly #keyspace: Keyspace;
  #applier: KeyspaceApplier | null = null;
  /** One for all appliers that follow each other: each writes it. */
  #told: ToldAsOf | null = null;
  /** Starting and starting again, one after the other. */
  readonly #starting = new Mutex();
  #isStopping = false;
  /** Why it is started again; null while it is not. */
  #why: string | null = null;

  constructor(parts: RunningParts, keyspace: Keyspace) {
    this.#parts = parts;
    this.#keyspace = keyspace;
  }

  /** Null while it is being started again. */
  get applier(): KeyspaceApplier | null {
    return this.#applier;
  }

  /** @throws {Fault} `unavailable`: its column files are not open yet. */
  get opened(): KeyspaceApplier {
    if (this.#applier !== null) return this.#applier;
    const what = this.refusal ?? `keyspace ${this.#keyspace.name} is being opened`;
    throw new Fault('unavailable', what, { retryAfterMs: 500 });
  }

  /** Why nothing is read from it now, in words; null when all is well, and before it was first open. */
  get refusal(): string | null {
    if (this.#why !== null) return `keyspace ${this.#keyspace.name} is being opened again here: ${this.#why}`;
    return this.#applier?.readGate.refusal ?? null;
  }

  /** @throws {Fault} `unavailable`: it is not open, or being built again and nothing is read yet. */
  get readable(): KeyspaceApplier {
    const applier = this.opened;
    const { refusal } = this;
    if (refusal === null) return applier;
    throw new Fault('unavailable', `${refusal}; read it at another site`, { retryAfterMs: 1_000 });
  }

  /** Throws as `KeyspaceApplier.start`. */
  async start(): Promise<void> {
    using _turn = await this.#starting.lock();
    await this.#start([], null, {});
  }

  async #start(
    epochEnds: readonly (readonly EpochEnd[])[],
    asOf: Tick | null,
    found: Pick<Known, 'damaged' | 'discards'>,
  ): Promise<void> {
    const told = this.#parts.epochEnds();
    const { partitions } = this.#keyspace;
    this.#told ??= await this.#parts.openTold();
    const both = Array.from({ length: partitions }, (_, p) => [...(epochEnds[p] ?? []), ...(told[p] ?? [])]);
    const known: Known = {
      epochEnds: both,
      asOf,
      told: this.#told,
      ...found,
      onBeyond: (what) => void this.#startAgain({ discards: what === 'tables' }),
      onDamage: (damage) => void this.#startAgain({ damaged: [damage] }),
    };
    const applier = await this.#parts.begin(known);
    await this.#parts.replays.open(applier);
    this.#applier = applier;
    this.#why = null;
    // What was told while it opened.
    this.#parts.epochEnds().forEach((some, partition) => {
      for (const { origin, epoch, seq } of some) applier.closed(partition, origin, { epoch, seq });
    });
  }

  /**
   * Sets the column files of some partitions aside and builds them again from the logs; until then nothing is read here.
   * Resolves once it is open again, with more to be read from the logs.
   */
  buildAgain(partitions: readonly number[], reason: string): Promise<void> {
    const { stores } = this.opened;
    const paths = partitions.flatMap((partition) => stores.partitions(partition).map(({ path }) => path));
    return this.#startAgain({ damaged: paths.map((folder) => ({ folder, reason: `${folder}: ${reason}` })) });
  }

  /** @param found what is wrong with its column files, beside what lies beyond the epoch ends */
  #startAgain(found: Pick<Known, 'damaged' | 'discards'>): Promise<void> {
    const told = this.#applier;
    const { damaged = [] } = found;
    const why = damaged.map(({ reason }) => reason).join(', ') || 'it holds what lies beyond an epoch end';
    const again = async (): Promise<void> => {
      using _turn = await this.#starting.lock();
      const before = this.#applier;
      // Many readers may meet the same damage before the first of them has it mended.
      if (before === null || (told !== null && before !== told) || this.#isStopping) return;
      this.#why = why;
      this.#applier = null;
      await this.#parts.replays.close(this.#keyspace.name);
      await before[Symbol.asyncDispose]();
      await this.#start(before.epochEnds.all, before.readGate.asOf, found);
    };
    return again().catch((error: unknown) => this.#parts.onFatal(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#starting.settled();
    await this.#applier?.[Symbol.asyncDispose]();
    await this.#told?.[Symbol.asyncDispose]();
  }
}
