/**
 * The Log of the simulator: in memory, moved by nothing but its Clock and its caller, so the same calls end in the same
 * state. A SimLogStore is what one site's disks hold; each SimLog is one process's view of it. The store's fields and
 * methods are the faults: unreachable, an append whose answer is lost, a lost tail, a deleted topic.
 */

import type { Clock } from '@tidemark/platform/clock';
import { Fault } from '@tidemark/platform/fault';
import { Notifier } from '@tidemark/platform/sync/notifier';
import { AppendTurns, checkAppend, noTopic } from '../append-rules.ts';
import type { Log, LogBatch, LogEntry, LogRecord, ReadOptions, TopicSpec } from '../log.ts';
import { checkPlace, checkTrim, countFitting, notTheSame } from '../read-rules.ts';

/**
 * What becomes of one append. `refused`: not stored, and the caller hears so. `unknown`: the caller hears no answer, and
 * the records land at once, after so many ms (behind whatever was appended meanwhile), or never.
 */
export type AppendFate =
  | { readonly answer: 'stored' }
  | { readonly answer: 'refused' }
  | { readonly answer: 'unknown'; readonly lands: 'now' | 'never' | { readonly afterMs: number } };

const STORED: AppendFate = { answer: 'stored' };

type Partition = { readonly number: number; start: number; flushedEnd: number; records: LogRecord[] };
type Topic = {
  readonly name: string;
  readonly identity: number;
  readonly flushed: boolean;
  readonly partitions: Partition[];
};

/** Told of everything that changes in a store, in the moment it does: for whoever checks what happens there. */
export type StoreWatch = {
  readonly landed: (topic: string, partition: number, record: LogRecord) => void;
  /** The partition ends at `end` now, with what came after it gone. */
  readonly lost: (topic: string, partition: number, end: number) => void;
};

/** What a store held at some moment, by topic. */
export type StoreCopy = ReadonlyMap<string, { readonly topic: Topic; readonly partitions: readonly Partition[] }>;

export class SimLogStore {
  readonly clock: Clock;
  /** Asked before every append; the default stores it. */
  fate: (topic: string, partition: number) => AppendFate = () => STORED;
  /** Asked before every append: how long it takes to get there, in ms. */
  appendMs: (topic: string) => number = () => 0;
  /** Asked after every append that was stored: how much longer its answer takes, in ms. */
  answerMs: (topic: string) => number = () => 0;
  watch: StoreWatch = { landed: () => {}, lost: () => {} };
  readonly #topics = new Map<string, Topic>();
  readonly #bells = new Set<Notifier>();
  #topicCount = 0;
  #reachable = true;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** False: every operation of every handle is `unavailable`, and readers wait. */
  get reachable(): boolean {
    return this.#reachable;
  }

  set reachable(reachable: boolean) {
    this.#reachable = reachable;
    this.ring();
  }

  topic(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  topicNames(): string[] {
    return [...this.#topics.keys()].sort();
  }

  makeTopic(spec: TopicSpec): Topic {
    const partitions = Array.from({ length: spec.partitions }, (_, number) => ({
      number,
      start: 0,
      flushedEnd: 0,
      records: [],
    }));
    const topic = { name: spec.name, identity: ++this.#topicCount, flushed: spec.flushed, partitions };
    this.#topics.set(spec.name, topic);
    return topic;
  }

  /** As an operator's tool would. */
  addPartitions(name: string, count: number): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw noTopic('sim', name);
    for (let number = topic.partitions.length; number < count; number++)
      topic.partitions.push({ number, start: 0, flushedEnd: 0, records: [] });
    this.ring();
  }

  /** The record's bytes changed on the disk, and the log's checksum tells. */
  damage(name: string, partition: number, offset: number): void {
    const found = this.#topics.get(name)?.partitions[partition];
    const index = offset - (found?.start ?? 0);
    if (found?.records[index] === undefined) throw noTopic('sim', name, partition);
    found.records[index] = { ...found.records[index], damage: `offset ${offset}: checksum wrong` };
  }

  /** As an operator's tool would, behind everybody's back. */
  deleteTopic(name: string): void {
    this.#topics.delete(name);
    this.ring();
  }

  /** The same, and whoever watches is told that all of it is gone. */
  remove(name: string): void {
    for (const partition of this.#topics.get(name)?.partitions ?? []) this.#cut(name, partition, partition.start);
    this.deleteTopic(name);
  }

  /** Cuts a partition's records from `end` on, flushed or not. */
  loseEnd(name: string, partition: number, end: number): void {
    const found = this.#topics.get(name)?.partitions[partition];
    if (found === undefined) throw noTopic('sim', name, partition);
    this.#cut(name, found, end);
    this.ring();
  }

  /** Everything appended so far survives the next `losePower`. */
  flush(): void {
    for (const topic of this.#topics.values()) for (const one of topic.partitions) one.flushedEnd = endOf(one);
  }

  /** The site's machines stop and come back: topics that are not flushed lose what came after the last `flush`. */
  losePower(): void {
    for (const topic of this.#topics.values())
      for (const one of topic.partitions) this.#cut(topic.name, one, one.flushedEnd);
    this.ring();
  }

  /** The site's disks are gone, and empty ones in their place. */
  wipe(): void {
    for (const topic of this.#topics.values())
      for (const one of topic.partitions) this.#cut(topic.name, one, one.start);
    this.#topics.clear();
    this.ring();
  }

  /** A copy of all there is, as a backup takes it. */
  copy(): StoreCopy {
    const copied = (topic: Topic) => topic.partitions.map((one) => ({ ...one, records: [...one.records] }));
    return new Map([...this.#topics].map(([name, topic]) => [name, { topic, partitions: copied(topic) }]));
  }

  /** What a copy holds of the topics takes the place of what is there; what it does not know is gone. */
  restore(copy: StoreCopy, isOf: (topic: string) => boolean = () => true): void {
    for (const name of this.topicNames()) {
      if (!isOf(name)) continue;
      const known = copy.get(name);
      const topic = this.#topics.get(name)!;
      for (const partition of topic.partitions) {
        const before =
          known?.topic === topic ? known.partitions[partition.number]! : { start: 0, flushedEnd: 0, records: [] };
        const { start, flushedEnd, records } = before;
        Object.assign(partition, { start, flushedEnd, records: [...records] });
        this.watch.lost(name, partition.number, endOf(partition));
      }
      if (known === undefined) this.#topics.delete(name);
    }
    this.ring();
  }

  #cut(topic: string, partition: Partition, end: number): void {
    if (end >= endOf(partition)) return;
    partition.records.length = Math.max(0, end - partition.start);
    partition.flushedEnd = Math.min(partition.flushedEnd, end);
    this.watch.lost(topic, partition.number, end);
  }

  /** Adds at the end, copying the values: the caller may use its buffers again. Returns the first offset. */
  land(topic: Topic, partition: Partition, entries: readonly LogEntry[]): number {
    const first = endOf(partition);
    // An append that was under way when its topic went has nowhere to arrive.
    if (this.#topics.get(topic.name) !== topic) return first;
    const timeMs = Math.max(this.clock.nowMs(), partition.records.at(-1)?.timeMs ?? 0);
    entries.forEach(({ value, key = null, headers }, index) => {
      const bytes = new Uint8Array(value);
      const record = { offset: first + index, timeMs, value: bytes, key, headers: { ...headers }, damage: null };
      partition.records.push(record);
      this.watch.landed(topic.name, partition.number, record);
    });
    if (topic.flushed) partition.flushedEnd = endOf(partition);
    this.ring();
    return first;
  }

  listen(bell: Notifier): Disposable {
    this.#bells.add(bell);
    return { [Symbol.dispose]: () => this.#bells.delete(bell) };
  }

  ring(): void {
    for (const bell of this.#bells) bell.notify();
  }
}

export class SimLog implements Log {
  readonly address: string;
  readonly #store: SimLogStore;
  readonly #turns = new AppendTurns();
  readonly #stop = new AbortController();
  readonly #pinned = new Map<string, number>();
  #connected = true;

  constructor(store: SimLogStore, name = 'site') {
    this.#store = store;
    this.address = `sim:${name}`;
  }

  /** False: this process is cut off from the log while others are not. */
  get connected(): boolean {
    return this.#connected;
  }

  set connected(connected: boolean) {
    this.#connected = connected;
    this.#store.ring();
  }

  async ensureTopic(spec: TopicSpec): Promise<void> {
    this.#checkReachable();
    const topic = this.#store.topic(spec.name) ?? this.#store.makeTopic(spec);
    const found = topic.partitions.length;
    if (found !== spec.partitions) {
      const message = `${this.address}: topic ${spec.name} has ${found} partitions, ${spec.partitions} wanted`;
      throw new Fault('invalid', message, { got: spec.partitions, expected: found });
    }
    const { genesis } = spec;
    if (genesis !== null)
      topic.partitions.forEach((partition, number) => {
        if (endOf(partition) === 0) this.#store.land(topic, partition, [{ value: genesis(number) }]);
      });
    this.#pinned.delete(spec.name);
  }

  async partitionCount(topic: string): Promise<number | null> {
    this.#checkReachable();
    return this.#store.topic(topic)?.partitions.length ?? null;
  }

  async topicId(topic: string): Promise<string | null> {
    this.#checkReachable();
    const found = this.#store.topic(topic);
    return found === undefined ? null : String(found.identity);
  }

  async topics(): Promise<string[]> {
    this.#checkReachable();
    return this.#store.topicNames();
  }

  async append(topic: string, partition: number, entries: readonly LogEntry[]): Promise<number> {
    checkAppend(topic, partition, entries);
    using _turn = await this.#turns.of(topic, partition).lock();
    const store = this.#store;
    const ms = store.appendMs(topic);
    await (ms > 0 ? store.clock.sleep(ms, this.#stop.signal) : undefined);
    const place = `${this.address}: ${topic}/${partition}`;
    this.#checkReachable();
    const found = this.#sameTopic(topic, place);
    const target = found?.partitions[partition];
    if (target === undefined) throw noTopic(this.address, topic, partition);
    const fate = store.fate(topic, partition);
    if (fate.answer === 'stored') {
      const first = store.land(found!, target, entries);
      const answerMs = store.answerMs(topic);
      await (answerMs > 0 ? store.clock.sleep(answerMs, this.#stop.signal) : undefined);
      return first;
    }
    if (fate.answer === 'refused') throw new Fault('unavailable', `${place}: append refused`);
    if (fate.lands === 'now') store.land(found!, target, entries);
    else if (fate.lands !== 'never') {
      const kept = entries.map((entry) => ({ ...entry, value: new Uint8Array(entry.value) }));
      void store.clock.sleep(fate.lands.afterMs).then(() => store.land(found!, target, kept));
    }
    throw new Fault('unknown', `${place}: no answer to the append`);
  }

  /** The topic, as long as it is the one this handle appended to before. */
  #sameTopic(name: string, place: string): Topic | undefined {
    const topic = this.#store.topic(name);
    const pinned = this.#pinned.get(name);
    if (pinned !== undefined && pinned !== topic?.identity)
      throw notTheSame(place, String(topic?.identity ?? 'none'), String(pinned));
    if (topic !== undefined) this.#pinned.set(name, topic.identity);
    return topic;
  }

  async *read(options: ReadOptions): AsyncIterable<LogBatch> {
    const { topic, partition, signal } = options;
    const place = `${this.address}: ${topic}/${partition}`;
    const stopped = AbortSignal.any([signal, this.#stop.signal]);
    const bell = new Notifier();
    using _listening = this.#store.listen(bell);
    let next = options.from;
    let stopAt: number | null = null;
    let identity: string | null = options.topicId ?? null;
    while (!stopped.aborted) {
      const seen = bell.count;
      if (!this.#isReachable()) {
        await bell.after(seen, stopped);
        continue;
      }
      const found = this.#store.topic(topic);
      const foundId = found === undefined ? 'none' : String(found.identity);
      if (identity !== null && identity !== foundId) throw notTheSame(place, foundId, identity);
      const source = found?.partitions[partition];
      if (source === undefined) throw noTopic(this.address, topic, partition);
      identity = foundId;
      const end = endOf(source);
      checkPlace(place, next, source.start, end);
      if (options.untilEnd === true) stopAt ??= end;
      const left = source.records.slice(next - source.start, (stopAt ?? end) - source.start);
      const records = left.slice(0, countFitting(left.values().map(sizeOf), options.batchBytesMax));
      if (records.length > 0) {
        next = records.at(-1)!.offset + 1;
        yield { records, end };
      } else if (stopAt !== null) return;
      else await bell.after(seen, stopped);
    }
  }

  async bounds(topic: string, partition: number): Promise<{ readonly start: number; readonly end: number }> {
    const found = this.#partition(topic, partition);
    return { start: found.start, end: endOf(found) };
  }

  async offsetAtTime(topic: string, partition: number, timeMs: number): Promise<number> {
    const found = this.#partition(topic, partition);
    return found.records.find((record) => record.timeMs >= timeMs)?.offset ?? endOf(found);
  }

  async trim(topic: string, partition: number, offset: number): Promise<void> {
    const found = this.#partition(topic, partition);
    checkTrim(`${this.address}: ${topic}/${partition}`, offset, endOf(found));
    if (offset <= found.start) return;
    found.records.splice(0, offset - found.start);
    found.start = offset;
    found.flushedEnd = Math.max(found.flushedEnd, offset);
    this.#store.ring();
  }

  #partition(topic: string, partition: number): Partition {
    this.#checkReachable();
    const found = this.#store.topic(topic)?.partitions[partition];
    if (found === undefined) throw noTopic(this.address, topic, partition);
    return found;
  }

  #isReachable(): boolean {
    return this.#store.reachable && this.#connected && !this.#stop.signal.aborted;
  }

  #checkReachable(): void {
    if (!this.#isReachable()) throw new Fault('unavailable', `${this.address}: cannot be reached`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
  }
}

function endOf(partition: Partition): number {
  return partition.start + partition.records.length;
}

function sizeOf(record: LogRecord): number {
  return record.value.length;
}
