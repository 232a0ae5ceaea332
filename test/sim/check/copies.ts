/**
 * Looks over the shoulder of every log: decodes each record the moment it lands, and folds each copy of each origin's
 * partition with rules of its own, not production's, so that it sees what a mutant of those would hide.
 */

import type { LogRecord } from '@tidemark/log/log';
import { type Envelope, NO_CHAIN } from '@tidemark/record/envelope';
import { chainFollows, epochSeed, type OpenedRecord, openRecord } from '@tidemark/record/seal';
import type { SimSite } from '../cluster/sim-site.ts';
import type { SimWorld } from '../world.ts';

/** An accepted record, by its position: one and the same wherever it stands. */
export type Known = {
  readonly envelope: Envelope;
  /** Sites whose copy has accepted it at some time. */
  readonly sites: Set<string>;
  /** Of these, the ones whose copy holds it now. */
  readonly holders: Set<string>;
};

/** What one topic partition of one site holds of an origin. */
export class Copy {
  epoch = 0;
  seq = -1;
  chain = NO_CHAIN;
  fencedBelow = 0;
  /**
   * By epoch: highest seq accepted with no fence above its epoch before it. What a log has lost stays in it: it was held
   * when that was said, and a writer may not have heard of the loss yet.
   */
  readonly ackable: Map<number, number>;
  /** By epoch: highest seq accepted, fenced or not. */
  readonly held: Map<number, number>;

  /** @param before what it was until it lost something */
  constructor(before: Copy | null = null) {
    this.ackable = new Map(before?.ackable);
    this.held = new Map(before?.held);
  }

  take({ epoch, seq, chain }: Envelope): void {
    this.epoch = epoch;
    this.seq = seq;
    this.chain = chain;
    const raise = (highest: Map<number, number>): unknown =>
      highest.set(epoch, Math.max(highest.get(epoch) ?? -1, seq));
    raise(this.held);
    if (this.fencedBelow <= epoch) raise(this.ackable);
  }

  /** Whether it has held the epoch up to `seq` at some time. */
  hasHeld(epoch: number, seq: number): boolean {
    return seq <= (this.held.get(epoch) ?? -1);
  }
}

/** Where an epoch of an origin ended. */
export type Followed = { readonly origin: string; readonly epoch: number; readonly seq: number };

export type CopyName = { readonly keyspace: string; readonly origin: string; readonly partition: number };

export class Copies {
  /** `keyspace/epoch/partition/seq` → the record there. */
  readonly known = new Map<string, Known>();
  /** Request id without its part → positions it was accepted at. */
  readonly requests = new Map<string, Envelope[]>();
  /** `keyspace/partition` → EPOCH_STARTs accepted, by epoch. */
  readonly starts = new Map<string, Map<number, Envelope>>();
  /** Told of every record the first time that a site accepts it. */
  onKnown: (envelope: Envelope) => void = () => {};
  readonly #copies = new Map<string, Copy>();
  readonly #world: SimWorld;

  constructor(world: SimWorld) {
    this.#world = world;
  }

  /** Follows everything that happens to a site's log. */
  watch(
    site: SimSite,
    onLanded: (topic: string, partition: number, record: LogRecord) => void,
    onLost: (topic: string) => void,
  ): void {
    site.store.watch = {
      landed: (topic, partition, record) => {
        onLanded(topic, partition, record);
        const name = nameOf(topic, partition);
        if (name !== null) this.#take(site.name, topic, name, record.value);
      },
      lost: (topic, partition) => {
        const name = nameOf(topic, partition);
        onLost(topic);
        if (name === null) return;
        const key = keyOf(site.name, name);
        this.#forget(site.name, name);
        this.#copies.set(key, new Copy(this.#copies.get(key)));
        for (const { value } of site.store.topic(topic)!.partitions[partition]!.records)
          this.#take(site.name, topic, name, value);
      },
    };
  }

  copy(site: string, name: CopyName): Copy {
    const key = keyOf(site, name);
    const found = this.#copies.get(key) ?? new Copy();
    this.#copies.set(key, found);
    return found;
  }

  at(keyspace: string, epoch: number, partition: number, seq: number): Known | null {
    return this.known.get(`${keyspace}/${epoch}/${partition}/${seq}`) ?? null;
  }

  /** A copy is taken in again from its start: until then it holds nothing. */
  #forget(site: string, { keyspace, origin, partition }: CopyName): void {
    for (const { envelope, holders } of this.known.values()) {
      const isOf = envelope.keyspace === keyspace && envelope.origin === origin && envelope.partition === partition;
      if (isOf) holders.delete(site);
    }
  }

  #take(site: string, topic: string, name: CopyName, value: Uint8Array): void {
    let opened: OpenedRecord;
    try {
      opened = openRecord(value);
    } catch {
      return;
    }
    const { envelope } = opened;
    const copy = this.copy(site, name);
    const isMine = (['keyspace', 'origin', 'partition'] as const).every((field) => envelope[field] === name[field]);
    if (!isMine || envelope.cluster !== 'tidemark') return;
    if (envelope.body.kind === 'Genesis') return;
    if (envelope.body.kind === 'Fence') {
      copy.fencedBelow = Math.max(copy.fencedBelow, envelope.body.by);
      this.#world.sign('fenced', site);
      return;
    }
    if (!this.#follows(copy, opened)) return;
    copy.take(envelope);
    this.#know(site, topic, envelope);
  }

  #follows(copy: Copy, opened: OpenedRecord): boolean {
    const { envelope } = opened;
    if (envelope.epoch === copy.epoch) return envelope.seq === copy.seq + 1 && chainFollows(opened, copy.chain);
    if (envelope.epoch < copy.epoch || envelope.body.kind !== 'EpochStart' || envelope.seq !== 0) return false;
    const { ownEpoch, ownEndSeq } = envelope.body;
    if (!chainFollows(opened, epochSeed({ ...envelope, body: envelope.body }))) return false;
    return ownEpoch < copy.epoch || (ownEpoch === copy.epoch && ownEndSeq <= copy.seq);
  }

  #know(site: string, topic: string, envelope: Envelope): void {
    const { keyspace, epoch, partition, seq, body } = envelope;
    const key = `${keyspace}/${epoch}/${partition}/${seq}`;
    const known = this.known.get(key);
    if (known !== undefined) {
      known.sites.add(site);
      known.holders.add(site);
      if (known.envelope.chain !== envelope.chain || known.envelope.origin !== envelope.origin) {
        const words = `${topic} at ${site} holds another record at ${key} than ${[...known.sites].join(', ')}`;
        this.#world.fail('I4', words);
      }
      return;
    }
    this.known.set(key, { envelope, sites: new Set([site]), holders: new Set([site]) });
    this.#checkStamp(envelope);
    if (body.kind === 'Mutate' && body.requestId !== '') {
      const request = body.requestId.split('/')[0]!;
      this.requests.set(request, [...(this.requests.get(request) ?? []), envelope]);
    }
    if (body.kind === 'EpochStart') this.#start(envelope, body.writerId);
    this.onKnown(envelope);
  }

  #start(envelope: Envelope, writerId: string): void {
    const { keyspace, epoch, partition, origin } = envelope;
    const key = `${keyspace}/${partition}`;
    const starts = this.starts.get(key) ?? new Map<number, Envelope>();
    this.starts.set(key, starts);
    starts.set(epoch, envelope);
    if (partition === 0) this.#world.sign('begun', origin);
    for (const others of this.starts.values()) {
      const body = others.get(epoch)?.body;
      const other = others.get(epoch)?.origin;
      if (body?.kind !== 'EpochStart' || (body.writerId === writerId && other === origin)) continue;
      this.#world.fail('I1', `epoch ${epoch} of ${keyspace} has two writers: at ${other} and at ${origin}`);
    }
  }

  /** I12, also from one epoch's epoch end to the start of the next. */
  #checkStamp({ keyspace, epoch, partition, seq, stampMs, stampCounter, body }: Envelope): void {
    const at = body.kind === 'EpochStart' ? { epoch: body.previousEpoch, seq: body.endSeq } : { epoch, seq: seq - 1 };
    const before = this.at(keyspace, at.epoch, partition, at.seq)?.envelope;
    if (before === undefined) return;
    const rises = stampMs > before.stampMs || (stampMs === before.stampMs && stampCounter > before.stampCounter);
    if (rises) return;
    const words = `${keyspace}/${partition}: stamp ${stampMs}.${stampCounter} of ${epoch}:${seq} after ${before.stampMs}.${before.stampCounter} of ${at.epoch}:${at.seq}`;
    this.#world.fail('I12', words);
  }

  /** What the epoch follows in a partition: where the one before it ended; null when it is the first, or not known. */
  before(keyspace: string, partition: number, epoch: number): Followed | null {
    const body = this.starts.get(`${keyspace}/${partition}`)?.get(epoch)?.body;
    if (body?.kind !== 'EpochStart' || body.previousOrigin === '') return null;
    return { origin: body.previousOrigin, epoch: body.previousEpoch, seq: body.endSeq };
  }

  /** Whether a site has held all that an epoch follows, back to the first. */
  hasHeldBefore(site: string, keyspace: string, partition: number, epoch: number): boolean {
    for (let at = this.before(keyspace, partition, epoch); at !== null; at = this.before(keyspace, partition, at.epoch))
      if (!this.copy(site, { keyspace, origin: at.origin, partition }).hasHeld(at.epoch, at.seq)) return false;
    return true;
  }

  /**
   * Which records count in the end: by epoch, the last seq, following each EPOCH_START back from the newest.
   * @returns newest first
   */
  effective(keyspace: string, partition: number): Map<number, number> {
    const starts = this.starts.get(`${keyspace}/${partition}`) ?? new Map<number, Envelope>();
    const counted = new Map<number, number>();
    let epoch = Math.max(0, ...starts.keys());
    let epochEnd = Number.MAX_SAFE_INTEGER;
    while (epoch > 0) {
      counted.set(epoch, epochEnd);
      const body = starts.get(epoch)?.body;
      if (body?.kind !== 'EpochStart' || body.previousOrigin === '') break;
      epoch = body.previousEpoch;
      epochEnd = body.endSeq;
    }
    return counted;
  }
}

function keyOf(site: string, { keyspace, origin, partition }: CopyName): string {
  return `${site}/${keyspace}/${origin}/${partition}`;
}

/** Null for topics that hold no origin's records. */
function nameOf(topic: string, partition: number): CopyName | null {
  const [, keyspace, , origin] = /^tidemark\.([^.]+)\.(log|mirror)\.([^.]+)$/.exec(topic) ?? [];
  return keyspace === undefined ? null : { keyspace, origin: origin!, partition };
}
