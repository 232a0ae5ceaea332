/**
 * Writes out what lies beyond the epoch ends of an origin: from this site's copy, and from those of other sites, each record
 * once. Everything follows from the logs and the epoch ends, so that it can be done again at any time, and a job that was
 * killed is simply asked for again.
 */

import type { Log } from '@tidemark/log/log';
import { topicNames } from '@tidemark/model/table';
import { placeOf } from '@tidemark/peer/place';
import { addressOf, STREAMS } from '@tidemark/peer/routes';
import type { Beyond } from '@tidemark/peer/shapes';
import { linesOf, saidAlong } from '@tidemark/peer/stream';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import { Mutex } from '@tidemark/platform/sync/mutex';
import type { Envelope } from '@tidemark/record/envelope';
import { openRecord } from '@tidemark/record/seal';
import { compareGcWatermarks } from '@tidemark/store/gc-watermark';
import type { KeyspaceApplier } from '../applier.ts';
import { classifyRow, lostOf } from './classify.ts';
import { type Copy, type Kept, recordsBeyond, type SuffixRecord } from './divergent-reader.ts';
import { Resender } from './resend.ts';
import { type SuffixFate, SuffixFile, type SuffixSummary } from './suffix-file.ts';
import { lineOf, type SuffixRow, SuffixRows } from './suffix-rows.ts';

type DivergentSuffixesParts = {
  readonly cluster: string;
  readonly site: string;
  readonly log: Log;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly network: Network;
};

/** Which divergent suffix a job wants written out, and what to do with its cells. */
export type SuffixAsked = {
  readonly origin: string;
  /** Sites to ask for what their copies hold. */
  readonly others: readonly string[];
  /** Whether cells are compared with the store here; it must have caught up for that to mean much. */
  readonly classify: boolean;
  readonly fate: SuffixFate;
  /** Where lost cells are written again when `fate` is `applied`. */
  readonly primary: () => string;
};

type SuffixReport = {
  /** Of the origin's closed epochs, what counts. */
  readonly kept: Kept;
  readonly tails: readonly SuffixSummary[];
  /** Rows of which lost cells were written again, and rows that the primary refused. */
  readonly applied: { readonly rows: number; readonly rejected: number };
  /** Sites that did not answer: they may hold more. */
  readonly silent: readonly string[];
};

/** The divergent suffixes of a site: reading, writing and settling them, one at a time. */
export class DivergentSuffixes {
  readonly #parts: DivergentSuffixesParts;
  /** One tail is written by one at a time: a site's own look at it and a job that asks for it share its files. */
  readonly #writing = new Mutex();

  constructor(parts: DivergentSuffixesParts) {
    this.#parts = parts;
  }

  /**
   * `GET /v1/internal/tail/{keyspace}/{origin}`: the records beyond the epoch ends that this site's copy holds; and that it
   * goes on, while none is found.
   */
  lines(applier: KeyspaceApplier, origin: string, signal: AbortSignal): AsyncGenerator<string> {
    return saidAlong(this.#parts.clock, this.#lines(applier, origin, signal), signal);
  }

  async *#lines(applier: KeyspaceApplier, origin: string, signal: AbortSignal): AsyncGenerator<string> {
    for await (const { value } of recordsBeyond(this.#copy(applier, origin), new Map(), signal)) {
      yield `${JSON.stringify({ value: Buffer.from(value).toString('base64') } satisfies Beyond)}\n`;
    }
    yield `${JSON.stringify({ done: true } satisfies Beyond)}\n`;
  }

  #copy(applier: KeyspaceApplier, origin: string): Copy {
    const { cluster, site, log } = this.#parts;
    const { name: keyspace, partitions } = applier.stores.keyspace;
    const topic = origin === site ? topicNames.log(keyspace, site) : topicNames.mirror(keyspace, origin);
    const epochEndOf = (partition: number, epoch: number): number | null =>
      applier.epochEnds.epochEndOf(origin, partition, epoch);
    return { log, topic, name: { cluster, keyspace, origin }, partitions, epochEndOf };
  }

  /**
   * @throws {Fault} `corrupt`: two sites hold different records under one position. `unavailable`: the log is away, the
   *   disk is full, or nobody takes the lost cells.
   */
  async write(applier: KeyspaceApplier, asked: SuffixAsked, signal: AbortSignal): Promise<SuffixReport> {
    using _turn = await this.#writing.lock();
    const copy = this.#copy(applier, asked.origin);
    const chains = new Map<string, string>();
    const kept = new Map<number, Kept>();
    const holders = new Map<number, Set<string>>();
    for await (const { envelope } of recordsBeyond(copy, kept, signal)) {
      chains.set(keyOf(envelope), envelope.chain);
      note(holders, envelope.epoch, this.#parts.site);
    }
    const { extras, silent } = await this.#extras(applier, asked, { chains, holders }, signal);
    const files = new Map<number, SuffixFile>();
    const rows = new SuffixRows(applier.stores.keyspace);
    const { network, clock } = this.#parts;
    const { keyspace } = copy.name;
    const resender = new Resender({ keyspace, network, clock, primary: asked.primary }, signal);
    for await (const { envelope, value } of merged(recordsBeyond(copy, new Map(), signal), extras)) {
      const { epoch } = envelope;
      const name = { keyspace, origin: asked.origin, epoch };
      const file = files.get(epoch) ?? (await SuffixFile.create(this.#parts.disk, name, asked.classify));
      files.set(epoch, file);
      file.addRecord();
      await this.#add(file, rows, { envelope, value }, applier, asked, resender);
    }
    await resender.flush();
    const applied = { rows: resender.applied, rejected: resender.rejected };
    const tails: SuffixSummary[] = [];
    for (const [epoch, file] of [...files].sort((a, b) => a[0] - b[0])) {
      for (const site of holders.get(epoch) ?? []) file.sites.add(site);
      tails.push(await file.finish(asked.fate, this.#parts.logger));
    }
    return { kept: sum(kept), tails, applied, silent };
  }

  async #add(
    file: SuffixFile,
    rows: SuffixRows,
    { envelope, value }: SuffixRecord,
    applier: KeyspaceApplier,
    { classify, fate }: SuffixAsked,
    resender: Resender,
  ): Promise<void> {
    const made = rows.rowsOf(envelope);
    if (made === null) {
      const { epoch, partition, seq, body } = envelope;
      const raw = Buffer.from(value).toString('base64');
      const count = body.kind === 'Mutate' ? body.rowCount : 0;
      return file.addLine(`${JSON.stringify({ epoch, partition, seq, rows: count, raw })}\n`, count);
    }
    for (const row of made) {
      await file.addLine(lineOf(row));
      if (!classify) continue;
      const { state, isForgotten } = await stateOf(applier, row);
      const verdicts = classifyRow(row, state, isForgotten);
      const { epoch, partition, seq } = row;
      await file.addVerdicts({ epoch, partition, seq, row: row.row }, verdicts);
      const lost = fate === 'applied' ? lostOf(row, verdicts) : null;
      if (lost !== null) await resender.add(row.table.name, lost);
    }
  }

  /** What other sites hold and this one does not, in order. */
  async #extras(
    applier: KeyspaceApplier,
    { origin, others }: SuffixAsked,
    { chains, holders }: { readonly chains: Map<string, string>; readonly holders: Map<number, Set<string>> },
    signal: AbortSignal,
  ): Promise<{ readonly extras: SuffixRecord[]; readonly silent: string[] }> {
    const extras: SuffixRecord[] = [];
    const silent: string[] = [];
    for (const site of others) {
      try {
        for await (const record of this.#recordsOf(applier, origin, site, signal)) {
          const { envelope } = record;
          const known = chains.get(keyOf(envelope));
          if (known === undefined) extras.push(record);
          else if (known !== envelope.chain) throw twoRecords(envelope, site);
          chains.set(keyOf(envelope), envelope.chain);
          note(holders, envelope.epoch, site);
        }
      } catch (error) {
        // Another shape is told by who answers so; records that differ are nobody's word.
        if (isFault(error, 'corrupt') && error.details.answeredBy === undefined) throw error;
        const message = `tail of ${origin}: ${site} does not tell what it holds: ${messageOf(error)}`;
        this.#parts.logger.warn({ site, origin }, message);
        silent.push(site);
      }
    }
    return { extras: extras.sort((a, b) => inOrder(a.envelope, b.envelope)), silent };
  }

  async *#recordsOf(
    applier: KeyspaceApplier,
    origin: string,
    site: string,
    signal: AbortSignal,
  ): AsyncGenerator<SuffixRecord> {
    const { name: keyspace } = applier.stores.keyspace;
    let done = false;
    const url = addressOf(placeOf(site), STREAMS.beyond.path, { keyspace, origin });
    const { network, clock } = this.#parts;
    for await (const sent of linesOf({ network, clock }, url, STREAMS.beyond, signal)) {
      done = 'done' in sent;
      if (!('value' in sent)) continue;
      const value = Buffer.from(sent.value, 'base64');
      const { envelope } = openRecord(value);
      // It may know of no epoch end yet, or of more: what lies beyond is for this site's epoch ends to say.
      const epochEnd = applier.epochEnds.epochEndOf(origin, envelope.partition, envelope.epoch);
      if (epochEnd !== null && envelope.seq > epochEnd) yield { envelope, value };
    }
    if (!done) throw new Fault('unknown', `the answer of ${site} breaks off`);
  }
}

async function stateOf(applier: KeyspaceApplier, { table, partition, key, stamp }: SuffixRow) {
  const store = applier.stores.tableStore(table.id)?.partitions[partition];
  const state = (await store?.state(key)) ?? null;
  // Looked at after the state: what is forgotten by then is missing in it, or not yet.
  const purged = store?.purged ?? null;
  return { state, isForgotten: purged !== null && compareGcWatermarks(stamp, purged) < 0 };
}

function note(holders: Map<number, Set<string>>, epoch: number, site: string): void {
  holders.set(epoch, (holders.get(epoch) ?? new Set()).add(site));
}

function keyOf({ epoch, partition, seq }: Envelope): string {
  return `${epoch}/${partition}/${seq}`;
}

function inOrder(a: Envelope, b: Envelope): number {
  return a.partition - b.partition || a.epoch - b.epoch || a.seq - b.seq;
}

/** Both in the order of partition, epoch and seq. */
async function* merged(
  own: AsyncIterable<SuffixRecord>,
  extras: readonly SuffixRecord[],
): AsyncGenerator<SuffixRecord> {
  let next = 0;
  for await (const record of own) {
    while (next < extras.length && inOrder(extras[next]!.envelope, record.envelope) < 0) yield extras[next++]!;
    yield record;
  }
  yield* extras.slice(next);
}

function twoRecords({ epoch, partition, seq, origin, chain }: Envelope, site: string): Fault {
  const place = `${epoch}:${seq} of ${origin}, partition ${partition}`;
  return new Fault('corrupt', `two records at ${place}: ${site} holds one with chain ${chain}`, { got: chain });
}

function sum(kept: ReadonlyMap<number, Kept>): Kept {
  const all = { records: 0, rows: 0 };
  for (const { records, rows } of kept.values()) {
    all.records += records;
    all.rows += rows;
  }
  return all;
}
