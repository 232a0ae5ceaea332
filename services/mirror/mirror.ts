/** Copies what one remote site originates for a keyspace: a copier for each partition, one checkpoint for all. */

import type { Log } from '@tidemark/log/log';
import type { Keyspace } from '@tidemark/schema/table';
import { topicNames } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import { type Disk, replaceFile } from '@tidemark/world/disk';
import { messageOf } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import type { Random } from '@tidemark/world/random';
import { Copier, type CopierCheckpoint } from './copier.ts';
import { Signal } from './durable-stream.ts';

const CHECKPOINT_MS = 5_000;
const KEEP_ALIVE_MS = 1_000;

export type MirrorParts = {
  readonly cluster: string;
  readonly site: string;
  readonly origin: string;
  readonly keyspace: Keyspace;
  readonly remote: Log;
  readonly local: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onFatal: (error: unknown) => void;
};

export class Mirror implements AsyncDisposable {
  readonly copiers: readonly Copier[];
  readonly changed = new Signal();
  readonly #parts: MirrorParts;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: MirrorParts) {
    this.#parts = parts;
    const { cluster, origin, keyspace } = parts;
    this.copiers = Array.from(
      { length: keyspace.partitions },
      (_, partition) =>
        new Copier({
          ...parts,
          sourceTopic: topicNames.log(keyspace.name, origin),
          mirrorTopic: topicNames.mirror(keyspace.name, origin),
          name: { cluster, keyspace: keyspace.name, origin, partition },
          signal: this.#stop.signal,
          onDurable: () => this.changed.raise(),
        }),
    );
  }

  /** Begins to copy, in the background. */
  async start(): Promise<void> {
    const checkpoints = await this.#readCheckpoints();
    const copying = this.copiers.map((copier, partition) => copier.run(checkpoints[partition] ?? null));
    this.#running = Promise.all([...copying, this.#checkpointing(), this.#keepingAlive()]).catch(this.#parts.onFatal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  get #path(): string {
    return `checkpoints/mirror/${this.#parts.keyspace.name}-${this.#parts.origin}.json`;
  }

  /** A checkpoint only saves time: one that cannot be read is as good as none. */
  async #readCheckpoints(): Promise<(CopierCheckpoint | null)[]> {
    const { disk, logger } = this.#parts;
    if (!(await disk.exists(this.#path))) return [];
    try {
      return JSON.parse(Buffer.from(await disk.read(this.#path)).toString('utf8'));
    } catch (error) {
      logger.warn({ path: this.#path, error: messageOf(error) }, 'mirror checkpoint not readable, reading all again');
      return [];
    }
  }

  /** So that who follows `durable` knows the link is alive though nothing is written. */
  async #keepingAlive(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#parts.clock.sleep(KEEP_ALIVE_MS, this.#stop.signal);
      this.changed.raise();
    }
  }

  async #checkpointing(): Promise<void> {
    const { disk, clock } = this.#parts;
    await disk.makeFolder('checkpoints/mirror');
    let last = '';
    do {
      await clock.sleep(CHECKPOINT_MS, this.#stop.signal);
      const text = JSON.stringify(this.copiers.map((copier) => copier.checkpoint()));
      if (text !== last) await replaceFile(disk, this.#path, Buffer.from(text));
      last = text;
    } while (!this.#stop.signal.aborted);
  }
}
