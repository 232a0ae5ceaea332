/** Makes logs as a writer would have written them, for tests and measurements: valid, and whole batches at a time. */

import { addJsonRow, type JsonRow } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import type { Position } from '@tidemark/model/position';
import { type Keyspace, tableNamed } from '@tidemark/model/table';
import { type Body, type EpochStartBody, NO_CHAIN, type Unsealed } from '@tidemark/record/envelope';
import { encodeMutate } from '@tidemark/record/mutate';
import { epochSeed, sealRecord } from '@tidemark/record/seal';

export const CLUSTER = 'c1';

/** Table `t`: key `k` (string), cells `v` (long) and `w` (string), at the sites paris, tokyo and quito. */
export function sampleKeyspace(change: Partial<Keyspace> = {}): Keyspace {
  const column = (id: number, name: string, type: 'string' | 'long') => ({
    id,
    name,
    type: { name: type },
    dropped: false,
  });
  const table = {
    id: 1,
    name: 't',
    columns: [column(1, 'k', 'string'), column(2, 'v', 'long'), column(3, 'w', 'string')],
    key: [1],
    dynamicColumnsMax: 0,
    dynamicColumns: 0,
  };
  const sites = ['paris', 'tokyo', 'quito'].map((name, i) => ({ name, number: i + 1, role: 'data' as const }));
  return {
    name: 'ks',
    version: 1,
    mode: 'single',
    primary: 'paris',
    ack: { name: 'local', k: 0 },
    failover: 'automatic',
    degradeTo: 0,
    sites,
    partitions: 2,
    tables: [table],
    ...change,
  };
}

/** Where an epoch ended in a partition. */
export type MadeEnd = {
  readonly origin: string;
  readonly epoch: number;
  readonly endSeq: number;
  readonly chain: string;
};

export const NOTHING_YET: MadeEnd = { origin: '', epoch: 0, endSeq: -1, chain: NO_CHAIN };

/** The records of one origin's partition, one after the other. */
export class PartitionMaker {
  readonly origin: string;
  readonly partition: number;
  readonly #keyspace: Keyspace;
  #epoch = 0;
  #seq = -1;
  #chain = NO_CHAIN;
  #ms = 1_700_000_000_000;
  /** What each record says of commits. */
  committed = -1;
  /** What each MUTATE says of the tables. */
  schemaVersion: number;

  constructor(keyspace: Keyspace, origin: string, partition: number) {
    this.#keyspace = keyspace;
    this.schemaVersion = keyspace.version;
    this.origin = origin;
    this.partition = partition;
  }

  /** The last record made. */
  get at(): Position {
    return { epoch: this.#epoch, seq: this.#seq };
  }

  get chain(): string {
    return this.#chain;
  }

  genesis(logId = `log-${this.origin}`): Buffer {
    const body: Body = { kind: 'Genesis', logId };
    return sealRecord({ ...this.#unsealed(body), epoch: 0, seq: -1 }, NO_CHAIN).bytes;
  }

  /**
   * Opens an epoch behind `previous`, and behind `own` of this origin: by default behind the last record made here.
   */
  start(epoch: number, previous?: MadeEnd, ownEnd?: MadeEnd): Buffer {
    const last =
      this.#epoch === 0
        ? NOTHING_YET
        : { origin: this.origin, epoch: this.#epoch, endSeq: this.#seq, chain: this.#chain };
    const before = previous ?? last;
    const own = ownEnd ?? (before.origin === this.origin ? before : last);
    this.#epoch = epoch;
    this.#seq = -1;
    this.committed = -1;
    const body: EpochStartBody = {
      kind: 'EpochStart',
      writerId: `w${epoch}`,
      previousOrigin: before.origin,
      previousEpoch: before.epoch,
      endSeq: before.endSeq,
      endChain: Buffer.from(before.chain, 'hex'),
      ownEpoch: own.epoch,
      ownEndSeq: own.endSeq,
      ownEndChain: Buffer.from(own.chain, 'hex'),
    };
    this.#seq = 0;
    const record = { ...this.#unsealed(body), body };
    return this.#seal(record, epochSeed(record));
  }

  /** Rows of one table, as one MUTATE. */
  rows(rows: readonly JsonRow[], table = 't'): Buffer {
    const batch = new RowBatch();
    const target = tableNamed(this.#keyspace, table);
    for (const row of rows) addJsonRow(target, row, batch);
    batch.seal();
    const all = Uint32Array.from(rows.keys());
    const head = { table: target.id, schemaVersion: this.schemaVersion, requestId: '', source: null };
    return this.record(encodeMutate(head, batch, all, 0, rows.length));
  }

  barrier(heads: readonly number[], committed: readonly number[] = heads.map(() => -1)): Buffer {
    return this.record({ kind: 'Barrier', heads, rows: heads.map(() => 0), committed });
  }

  record(body: Body): Buffer {
    this.#seq++;
    return this.#seal(this.#unsealed(body), this.#chain);
  }

  #seal(record: Unsealed, previousChain: string): Buffer {
    const { bytes, chain } = sealRecord(record, previousChain);
    this.#chain = chain;
    return bytes;
  }

  #unsealed(body: Body): Unsealed {
    this.#ms++;
    const { origin, partition } = this;
    return {
      cluster: CLUSTER,
      keyspace: this.#keyspace.name,
      origin,
      epoch: this.#epoch,
      partition,
      seq: this.#seq,
      stampMs: this.#ms,
      stampCounter: 0,
      writer: this.#epoch,
      committed: this.committed,
      body,
    };
  }
}
