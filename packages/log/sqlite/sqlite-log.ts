/**
 * The Log of the embedded engine: one SQLite file per site, on one machine. The site's own process opens it as `owner`;
 * every other process opens it as `reader`. All appends that wait in one turn of the event loop share one commit.
 *
 * Readers are woken by the bell: a file beside the log into which the owner writes one byte after each commit. Every
 * 250 ms the file's change counter is looked at as well, as file notices are allowed to get lost. It is looked once for
 * all readers which of them got anything, so that what is written for one costs the others nothing.
 */

import { closeSync, type FSWatcher, openSync, watch, writeSync } from 'node:fs';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { type Logger, SILENT } from '@tidemark/platform/logger';
import { type Random, SystemRandom } from '@tidemark/platform/random';
import { Notifier } from '@tidemark/platform/sync/notifier';
import { AppendTurns, checkAppend, noTopic } from '../append-rules.ts';
import { type Log, type LogBatch, type LogEntry, RECORD_BYTES_MAX, type ReadOptions, type TopicSpec } from '../log.ts';
import { Reachability } from '../reachability.ts';
import { checkPlace, checkTrim, notTheSame } from '../read-rules.ts';
import { idOf, type Slot, SqliteFile } from './sqlite-file.ts';

const POLL_MS = 250;
/** So often each reader looks for itself while others write: a topic may be gone, or cut short, without a new record. */
const LOOK_MS = 2_000;
const TRIM_RECORDS_PER_COMMIT = 256;
const ONE_BYTE = new Uint8Array(1);

type SqliteLogOptions = {
  readonly clock: Clock;
  /** Gives a new log its id. */
  readonly random?: Random;
  /** `owner` makes the file where there is none; `reader` never changes it and waits for it to appear. */
  readonly mode: 'owner' | 'reader';
  readonly logger?: Logger;
};

type Waiting = {
  readonly topic: string;
  readonly partition: number;
  readonly entries: readonly LogEntry[];
  readonly settle: (result: number | Error) => void;
};

/** `place`: topic and partition. `waitsFor`: id of the record that would be news; null: it has to look for itself. */
type Reader = {
  readonly place: string;
  readonly bell: Notifier;
  waitsFor: number | null;
};

/** What others have done to the file: which one it is, and its change counter. */
type Mark = { readonly file: SqliteFile; readonly changes: number };

/** A handle on one SQLite log as owner or reader; errors and waits are those of the `Log` port. */
export class SqliteLog implements Log {
  readonly address: string;
  readonly #path: string;
  readonly #options: SqliteLogOptions;
  readonly #voice: Reachability;
  readonly #turns = new AppendTurns();
  readonly #readers = new Set<Reader>();
  readonly #stop = new AbortController();
  /** Identity of each partition this handle has appended to: slot and log id. */
  readonly #pinned = new Map<string, string>();
  #waiting: Waiting[] = [];
  #file: SqliteFile | null = null;
  #bellFile: number | null = null;
  #watcher: FSWatcher | null = null;
  #polling: Promise<void> | null = null;
  #isRinging = false;

  private constructor(path: string, options: SqliteLogOptions) {
    this.address = `sqlite:${path}`;
    this.#path = path;
    this.#options = options;
    this.#voice = new Reachability(this.address, options.logger ?? SILENT);
  }

  /** @throws {Fault} as an owner: `invalid` for a file of another format, `corrupt` for one that is no database. */
  static async open(path: string, options: SqliteLogOptions): Promise<SqliteLog> {
    const log = new SqliteLog(path, options);
    if (options.mode === 'owner') {
      log.#file = new SqliteFile(path, (options.random ?? new SystemRandom()).id());
      log.#bellFile = openSync(`${path}-bell`, 'w');
    }
    return log;
  }

  /** The file, checked to be in place. A reader opens it again when it was moved away or another one is there. */
  #opened(): SqliteFile {
    if (this.#stop.signal.aborted) throw new Fault('unavailable', `${this.address}: closed`);
    if (this.#file !== null) {
      try {
        this.#file.checkInPlace();
        return this.#file;
      } catch (error) {
        if (this.#options.mode === 'owner') throw error;
        this.#release();
      }
    }
    this.#file = new SqliteFile(this.#path, null);
    return this.#file;
  }

  #ownFile(): SqliteFile {
    if (this.#options.mode === 'reader') throw new Fault('invalid', `${this.address}: open for reading only`);
    return this.#opened();
  }

  async ensureTopic(spec: TopicSpec): Promise<void> {
    const file = this.#ownFile();
    file.write(() => {
      const found = file.partitionCount(spec.name);
      if (found !== 0 && found !== spec.partitions) {
        const message = `${this.address}: topic ${spec.name} has ${found} partitions, ${spec.partitions} wanted`;
        throw new Fault('invalid', message, { got: spec.partitions, expected: found });
      }
      file.makeTopic(spec, this.#options.clock.nowMs());
    });
    for (let partition = 0; partition < spec.partitions; partition++) this.#pinned.delete(`${spec.name}/${partition}`);
    this.#ringBell();
    this.#ring(() => true);
  }

  async partitionCount(topic: string): Promise<number | null> {
    return this.#opened().partitionCount(topic) || null;
  }

  async topicId(topic: string): Promise<string | null> {
    const file = this.#opened();
    return file.view(() => topicIdOf(file, topic));
  }

  async topics(): Promise<string[]> {
    return this.#opened().topics();
  }

  async append(topic: string, partition: number, entries: readonly LogEntry[]): Promise<number> {
    checkAppend(topic, partition, entries);
    using _turn = await this.#turns.of(topic, partition).lock();
    const result = await new Promise<number | Error>((settle) => {
      this.#waiting.push({ topic, partition, entries, settle });
      if (this.#waiting.length === 1) setImmediate(() => this.#commitWaiting());
    });
    if (result instanceof Error) throw result;
    return result;
  }

  #commitWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const file = this.#ownFile();
      const nowMs = this.#options.clock.nowMs();
      const results = file.write(() => waiting.map((one) => this.#appendOne(file, one, nowMs)));
      waiting.forEach((one, index) => {
        one.settle(results[index]!);
      });
      this.#ringBell();
      // Whoever appended goes on first: what it tells others is waited for.
      const touched = new Set(waiting.map(({ topic, partition }) => `${topic}/${partition}`));
      setImmediate(() => this.#ring(({ place }) => touched.has(place)));
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(messageOf(error));
      for (const one of waiting) one.settle(failure);
    }
  }

  /** A place that is wrong fails alone; the appends that share its commit go on. */
  #appendOne(file: SqliteFile, { topic, partition, entries }: Waiting, nowMs: number): number | Fault {
    const place = `${topic}/${partition}`;
    const slot = file.slotOf(topic, partition);
    const pinned = this.#pinned.get(place);
    if (slot === null && pinned === undefined) return noTopic(this.address, topic, partition);
    const found = identityOf(file, slot);
    if (pinned !== undefined && pinned !== found) return notTheSame(`${this.address}: ${place}`, found, pinned);
    this.#pinned.set(place, found);
    return file.append(slot!, entries, nowMs);
  }

  /** Wakes the readers of other processes. */
  #ringBell(): void {
    if (this.#bellFile !== null) writeSync(this.#bellFile, ONE_BYTE, 0, 1, 0);
  }

  async *read(options: ReadOptions): AsyncIterable<LogBatch> {
    const { topic, partition, signal } = options;
    const place = `${this.address}: ${topic}/${partition}`;
    const reader: Reader = { place: `${topic}/${partition}`, bell: new Notifier(), waitsFor: null };
    const stopped = AbortSignal.any([signal, this.#stop.signal]);
    let next = options.from;
    let stopAt: number | null = null;
    let identity: string | null = null;
    this.#readers.add(reader);
    this.#polling ??= this.#poll();
    try {
      while (!stopped.aborted) {
        const seen = reader.bell.count;
        reader.waitsFor = null;
        const batch = this.#attempt((file) => {
          const slot = file.slotOf(topic, partition);
          if (options.topicId !== undefined) checkTopicId(file, topic, place, options.topicId);
          if (slot === null && identity === null) throw noTopic(this.address, topic, partition);
          const found = identityOf(file, slot);
          identity ??= found;
          if (found !== identity) throw notTheSame(place, found, identity);
          checkPlace(place, next, slot!.start, slot!.end);
          if (options.untilEnd === true) stopAt ??= slot!.end;
          const upTo = { ...slot!, end: stopAt ?? slot!.end };
          const records = file.read(upTo, next, options.batchBytesMax ?? RECORD_BYTES_MAX);
          if (records.length > 0) next = records.at(-1)!.offset + 1;
          reader.waitsFor = idOf(slot!, next);
          return { records, end: slot!.end };
        });
        if (batch !== null && batch.records.length > 0) {
          yield batch;
          // There is more of what was there.
          if (next < (stopAt ?? batch.end)) continue;
        }
        if (batch !== null && stopAt !== null) return;
        await reader.bell.after(seen, stopped);
      }
    } finally {
      this.#readers.delete(reader);
    }
  }

  /** Looks at the file once; null while it cannot be reached, and then the poll rings for the next try. */
  #attempt<T>(look: (file: SqliteFile) => T): T | null {
    try {
      const file = this.#opened();
      const result = file.view(() => look(file));
      this.#voice.up();
      return result;
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error;
      this.#voice.down(messageOf(error));
      return null;
    }
  }

  /** While somebody reads: rings when another process may have changed the file, or it went away or came back. */
  async #poll(): Promise<void> {
    const { clock } = this.#options;
    let before: Mark | null = null;
    let looked: Mark | null = null;
    let lookedMs = clock.monotonicMs();
    while (this.#readers.size > 0 && !this.#stop.signal.aborted) {
      const now = this.#mark();
      this.#watchBell();
      const isDue = !isSame(now, looked) && clock.monotonicMs() - lookedMs >= LOOK_MS;
      if (now === null || now.file !== before?.file || isDue) {
        this.#ring(() => true);
        looked = now;
        lookedMs = clock.monotonicMs();
      } else if (!isSame(now, before)) this.#ringForNews();
      else this.#ring(({ waitsFor }) => waitsFor === null);
      before = now;
      await clock.sleep(POLL_MS, this.#stop.signal);
    }
    this.#polling = null;
  }

  #ring(concerned: (reader: Reader) => boolean): void {
    for (const reader of this.#readers) if (concerned(reader)) reader.bell.notify();
  }

  /** Wakes those for whom there is a record, and those who have to look for themselves. */
  #ringForNews(): void {
    const readers = [...this.#readers];
    try {
      const arrived = new Set(this.#file?.arrived(readers.map(({ waitsFor }) => waitsFor ?? 0)));
      readers.forEach((reader, index) => {
        if (reader.waitsFor === null || arrived.has(index)) reader.bell.notify();
      });
    } catch {
      // What is wrong each finds out for itself.
      this.#ring(() => true);
    }
  }

  /** Null when there is trouble: each reader finds out for itself what it is. */
  #mark(): Mark | null {
    try {
      const file = this.#opened();
      return { file, changes: file.changeCount() };
    } catch {
      return null;
    }
  }

  /** An owner is told of its own commits directly; two owners of one file meet at the poll. */
  #watchBell(): void {
    if (this.#watcher !== null || this.#file === null || this.#options.mode === 'owner') return;
    try {
      this.#watcher = watch(`${this.#path}-bell`, { persistent: false }, () => this.#heardBell());
      this.#watcher.on('error', () => this.#closeWatcher());
    } catch {
      this.#closeWatcher();
    }
  }

  /** One write into the bell may be told more than once. */
  #heardBell(): void {
    if (this.#isRinging) return;
    this.#isRinging = true;
    setImmediate(() => {
      this.#isRinging = false;
      this.#ringForNews();
    });
  }

  async bounds(topic: string, partition: number): Promise<{ readonly start: number; readonly end: number }> {
    const { start, end } = this.#slot(this.#opened(), topic, partition);
    return { start, end };
  }

  async offsetAtTime(topic: string, partition: number, timeMs: number): Promise<number> {
    const file = this.#opened();
    return file.view(() => file.offsetAtTime(this.#slot(file, topic, partition), timeMs));
  }

  async trim(topic: string, partition: number, offset: number): Promise<void> {
    const file = this.#ownFile();
    const slot = this.#slot(file, topic, partition);
    checkTrim(`${this.address}: ${topic}/${partition}`, offset, slot.end);
    if (offset <= slot.start) return;
    file.write(() => file.setStart(slot, offset));
    this.#ringBell();
    this.#ring(({ place }) => place === `${topic}/${partition}`);
    // The start has moved, so what lies before it is already gone for readers; a crash here leaves only unused bytes.
    while (this.#ownFile().write(() => file.removeTrimmed(slot, offset, TRIM_RECORDS_PER_COMMIT)))
      await new Promise((resolve) => setImmediate(resolve));
  }

  #slot(file: SqliteFile, topic: string, partition: number): Slot {
    const slot = file.slotOf(topic, partition);
    if (slot === null) throw noTopic(this.address, topic, partition);
    return slot;
  }

  #closeWatcher(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #release(): void {
    this.#closeWatcher();
    this.#file?.close();
    this.#file = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was asked for before is stored.
    await this.#turns.settled();
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await this.#polling;
    this.#release();
    if (this.#bellFile !== null) closeSync(this.#bellFile);
  }
}

function isSame(one: Mark | null, other: Mark | null): boolean {
  return one?.file === other?.file && one?.changes === other?.changes;
}

/** A topic's partitions are made together: the first one's slot stands for all. */
function topicIdOf(file: SqliteFile, topic: string): string | null {
  const first = file.slotOf(topic, 0);
  return first === null ? null : identityOf(file, first);
}

function checkTopicId(file: SqliteFile, topic: string, place: string, expected: string): void {
  const found = topicIdOf(file, topic) ?? 'none';
  if (found !== expected) throw notTheSame(place, found, expected);
}

function identityOf(file: SqliteFile, slot: Slot | null): string {
  return slot === null ? 'none' : `${file.logId}/${slot.slot}`;
}
