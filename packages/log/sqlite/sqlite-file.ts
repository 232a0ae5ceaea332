/**
 * One open SQLite file holding a site's log: its tables, its statements, and the check that it is still the file at its
 * path. (An open handle goes on reading and writing after its folder has been moved away; a lost site must look lost.)
 *
 * A partition has a slot, a number never used twice, and a record's id is `slot * 2^37 + offset`: 65,535 partitions of
 * 1.3e11 records. As the table's own integer key it reads 5x faster than a compound key.
 */

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Fault, messageOf } from '@tidemark/platform/fault';
import type { Headers, HeaderValue, LogEntry, LogRecord, TopicSpec } from '../log.ts';
import { countFitting } from '../read-rules.ts';

const OFFSETS = 2 ** 37;
const FORMAT = 2;

/** Waiting for another process's lock blocks this one, so it is short; in WAL mode only two writers ever meet. */
const BUSY_MS_MAX = 5_000;

const TABLES = `
  CREATE TABLE meta (log_id TEXT NOT NULL);
  CREATE TABLE partition (
    slot INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, number INTEGER NOT NULL,
    start INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number));
  CREATE TABLE record (id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, key BLOB, headers TEXT, value BLOB NOT NULL);
`;

/** What a column is called in the result is said, as the table's own word for it may have another case by one bit. */
const READ = `
  SELECT id AS id, time_ms AS time_ms, key AS key, headers AS headers, value AS value
  FROM record WHERE id >= ? AND id < ? ORDER BY id`;

/** Of ids the places of those at which, or behind which in the same partition, a record stands. */
const ARRIVED = `
  SELECT key AS place FROM json_each(?) AS waited
  WHERE EXISTS (SELECT 1 FROM record WHERE id >= waited.value AND id < (waited.value / ${OFFSETS} + 1) * ${OFFSETS})`;

/** Of a damaged file any of them but the id may be of another type. */
type Row = { id: number; time_ms: unknown; key: unknown; headers: unknown; value: unknown };

const NO_HEADERS: Headers = Object.freeze({});

function recordOf({ time_ms, key, headers, value }: Row, offset: number): LogRecord {
  const isKey = (found: unknown): found is Uint8Array | null => found === null || found instanceof Uint8Array;
  if (value instanceof Uint8Array && isKey(key) && typeof time_ms === 'number') {
    if (headers === null) return { offset, timeMs: time_ms, value, key, headers: NO_HEADERS, damage: null };
    const read = typeof headers === 'string' ? headersFromText(headers) : null;
    if (read !== null) return { offset, timeMs: time_ms, value, key, headers: read, damage: null };
  }
  const damage = `offset ${offset}: the row is not what was written`;
  return { offset, timeMs: 0, value: new Uint8Array(0), key: null, headers: NO_HEADERS, damage };
}

/** A partition as the file knows it; `slot` is its identity: deleted and made again it has another one. */
export type Slot = { readonly slot: number; readonly start: number; readonly end: number };

/** The id of a partition's record. */
export function idOf({ slot }: Slot, offset: number): number {
  return slot * OFFSETS + offset;
}

/** An open handle on the file; its calls are synchronous, and the file's owner alone may write. */
export class SqliteFile {
  readonly logId: string;
  readonly #path: string;
  /** By path: which file stood there when it was opened, or first seen. */
  readonly #inodes = new Map<string, number>();
  readonly #isOwner: boolean;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /**
   * @param newLogId null opens an existing file for reading; else the id of the log where the file has to be made
   * @throws {Fault} `unavailable`: not there (yet). `corrupt`: not SQLite. `invalid`: another format, both named.
   */
  constructor(path: string, newLogId: string | null) {
    this.#path = path;
    this.#isOwner = newLogId !== null;
    try {
      if (newLogId !== null) mkdirSync(dirname(path), { recursive: true });
      else statSync(path);
      this.#database = new DatabaseSync(path, { readOnly: newLogId === null, timeout: BUSY_MS_MAX });
    } catch (error) {
      throw refusal(path, error, newLogId !== null);
    }
    try {
      if (newLogId !== null) this.#prepareForWriting(newLogId);
      const format = this.#database.prepare('PRAGMA user_version').get()!.user_version;
      if (format === 0) throw new Fault('unavailable', `sqlite:${path}: not a log yet`);
      if (format !== FORMAT) {
        const message = `sqlite:${path}: log format ${format}, this program knows ${FORMAT}`;
        throw new Fault('invalid', message, { got: format, expected: FORMAT });
      }
      this.logId = this.#database.prepare('SELECT log_id AS log_id FROM meta').get()!.log_id as string;
      this.#inodes.set(path, statSync(path).ino);
    } catch (error) {
      this.#database.close();
      const { errcode = 0 } = error as { errcode?: number };
      // What cannot even be opened is no passing error of the disk: a file is shorter than its index says.
      if (newLogId !== null && (errcode & 0xff) === SQLITE_IOERR) throw damaged(path, error);
      throw refusal(path, error, newLogId !== null);
    }
  }

  #prepareForWriting(newLogId: string): void {
    this.#database.exec('PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    this.write(() => {
      if (this.#database.prepare('PRAGMA user_version').get()!.user_version !== 0) return;
      this.#database.exec(TABLES);
      this.#database.prepare('INSERT INTO meta (log_id) VALUES (?)').run(newLogId);
      this.#database.exec(`PRAGMA user_version = ${FORMAT}`);
    });
  }

  /**
   * The file's write-ahead log and its index are looked at as well: who has them in another place sees nothing of what
   * is written from then on.
   * @throws {Fault} `unavailable` when a path no longer leads to what was opened.
   */
  checkInPlace(): void {
    for (const path of [this.#path, `${this.#path}-wal`, `${this.#path}-shm`]) {
      const found = statSync(path, { throwIfNoEntry: false })?.ino ?? null;
      const opened = this.#inodes.get(path) ?? found;
      // SQLite makes the other two when it needs them.
      if (opened !== null) this.#inodes.set(path, opened);
      if (found === opened) continue;
      const message = `sqlite:${path}: the file was moved away: inode ${found ?? 'none'}, opened as ${opened}`;
      throw new Fault('unavailable', message, { got: found ?? 'none', expected: opened });
    }
  }

  /** Changes when another connection, of this or another process, has committed. */
  changeCount(): number {
    try {
      return this.#statement('PRAGMA data_version').get()!.data_version as number;
    } catch (error) {
      throw refusal(this.#path, error, this.#isOwner);
    }
  }

  /** Which of the records have come, or ones behind them, by their places in `ids`; slots begin at 1, so of 0 none has. */
  arrived(ids: readonly number[]): number[] {
    try {
      return this.#statement(ARRIVED)
        .all(JSON.stringify(ids))
        .map(({ place }) => place as number);
    } catch (error) {
      throw refusal(this.#path, error, this.#isOwner);
    }
  }

  /** Runs `work` in one transaction, on disk when it returns. @throws {Fault} `unavailable`: nothing of it was done. */
  write<T>(work: () => T): T {
    return this.#transaction('BEGIN IMMEDIATE', work);
  }

  /** Runs `work` on one state of the file, whatever other processes write meanwhile. */
  view<T>(work: () => T): T {
    return this.#transaction('BEGIN', work);
  }

  #transaction<T>(begin: string, work: () => T): T {
    try {
      this.#statement(begin).run();
      const result = work();
      this.#statement('COMMIT').run();
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw refusal(this.#path, error, this.#isOwner);
    }
  }

  topics(): string[] {
    const rows = this.#statement('SELECT DISTINCT topic AS topic FROM partition').all();
    return rows.map((row) => row.topic as string).sort();
  }

  partitionCount(topic: string): number {
    return this.#statement('SELECT count(*) AS n FROM partition WHERE topic = ?').get(topic)!.n as number;
  }

  /** Null when there is no such topic or partition. */
  slotOf(topic: string, partition: number): Slot | null {
    const found = this.#statement(
      'SELECT slot AS slot, start AS start FROM partition WHERE topic = ? AND number = ?',
    ).get(topic, partition) as { slot: number; start: number } | undefined;
    if (found === undefined) return null;
    const base = found.slot * OFFSETS;
    const last = this.#statement('SELECT id AS id FROM record WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1').get(
      base,
      base + OFFSETS,
    ) as { id: number } | undefined;
    const end = Math.max(found.start, last === undefined ? 0 : last.id - base + 1);
    return { slot: found.slot, start: found.start, end };
  }

  /** Inside `write`: makes what is missing of the topic. */
  makeTopic(spec: TopicSpec, nowMs: number): void {
    for (let partition = 0; partition < spec.partitions; partition++) {
      this.#statement('INSERT INTO partition (topic, number) VALUES (?, ?) ON CONFLICT DO NOTHING').run(
        spec.name,
        partition,
      );
      const slot = this.slotOf(spec.name, partition)!;
      if (slot.end === 0 && spec.genesis !== null) this.append(slot, [{ value: spec.genesis(partition) }], nowMs);
    }
  }

  /** Inside `write`: adds at the end and returns the first offset. A record's time never lies before the previous one's. */
  append(slot: Slot, entries: readonly LogEntry[], nowMs: number): number {
    const insert = this.#statement('INSERT INTO record (id, time_ms, key, headers, value) VALUES (?, ?, ?, ?, ?)');
    const timeMs = slot.end > slot.start ? Math.max(nowMs, this.#timeMs(slot, slot.end - 1)) : nowMs;
    let id = slot.slot * OFFSETS + slot.end;
    for (const { value, key = null, headers } of entries)
      insert.run(id++, timeMs, key, headers === undefined ? null : headersToText(headers), value);
    return slot.end;
  }

  /** Records from `from`, as many as fit into `bytesMax`. */
  read(slot: Slot, from: number, bytesMax: number): LogRecord[] {
    const base = slot.slot * OFFSETS;
    const sizes = this.#statement(
      'SELECT length(value) AS bytes FROM record WHERE id >= ? AND id < ? ORDER BY id',
    ).iterate(base + from, base + slot.end);
    const count = countFitting(
      Iterator.from(sizes).map((row) => row.bytes as number),
      bytesMax,
    );
    const rows = this.#statement(READ).all(base + from, base + from + count) as unknown as Row[];
    return rows.map((row) => recordOf(row, row.id - base));
  }

  /** Times ascend with the offsets, so it is found by halving. */
  offsetAtTime(slot: Slot, timeMs: number): number {
    let low = slot.start;
    let high = slot.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#timeMs(slot, middle) < timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #timeMs(slot: Slot, offset: number): number {
    const base = slot.slot * OFFSETS;
    // The record itself may be gone, where the file was damaged.
    const row = this.#statement(
      'SELECT time_ms AS time_ms FROM record WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT 1',
    ).get(base, base + offset);
    return typeof row?.time_ms === 'number' ? row.time_ms : 0;
  }

  setStart(slot: Slot, start: number): void {
    this.#statement('UPDATE partition SET start = ? WHERE slot = ?').run(start, slot.slot);
  }

  /** Removes at most `countMax` records from before the partition's start; false when none is left there. */
  removeTrimmed(slot: Slot, start: number, countMax: number): boolean {
    const base = slot.slot * OFFSETS;
    const removed = this.#statement(
      'DELETE FROM record WHERE id IN (SELECT id FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)',
    ).run(base, base + start, countMax);
    return removed.changes === countMax;
  }

  /** @throws {Fault} `corrupt`: a table is not what it was. */
  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    try {
      const statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
      return statement;
    } catch (error) {
      throw refusal(this.#path, error, this.#isOwner);
    }
  }

  close(): void {
    this.#database.close();
  }
}

/** JSON; bytes that are no text as `{"$bytes": base64}`. */
function headersToText(headers: Headers): string {
  const plain = (value: HeaderValue): string | { readonly $bytes: string } =>
    typeof value === 'string' ? value : { $bytes: Buffer.from(value).toString('base64') };
  return JSON.stringify(Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, plain(value)])));
}

/** Null: that is not what was written. */
function headersFromText(text: string): Headers | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof found !== 'object' || found === null) return null;
  const headers: Record<string, HeaderValue> = {};
  for (const [name, value] of Object.entries(found)) {
    const bytes: unknown = value?.$bytes;
    if (typeof value !== 'string' && typeof bytes !== 'string') return null;
    headers[name] = typeof value === 'string' ? value : Buffer.from(bytes as string, 'base64');
  }
  return headers;
}

/** Its statements are always the same: where one is wrong, the tables are not what they were. */
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
/** Two rows in one place, or a value of another type: what is written is always right. */
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISMATCH = 20;
const SQLITE_NOTADB = 26;
const DAMAGE = [SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_NOTADB];
/** The write-ahead log, or the file, is shorter than its index says. */
const SQLITE_IOERR_SHORT_READ = 522;
/** The index of the write-ahead log could not be made longer, or opened: no room, or too many open files. */
const SQLITE_IOERR_SHMOPEN = 4618;
const SQLITE_IOERR_SHMSIZE = 4874;

/**
 * What the reader of an SQLite or file-system error can act on. An error of the disk itself stays what it is, but for who
 * only reads another site's log: that is not there for now.
 */
function refusal(path: string, error: unknown, isOwner: boolean): unknown {
  if (error instanceof Fault) return error;
  const { code, errcode = 0 } = error as { code?: string; errcode?: number };
  const primary = errcode & 0xff;
  const message = `sqlite:${path}: ${messageOf(error)}`;
  const isFull = primary === SQLITE_FULL || [SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_SHMOPEN].includes(errcode);
  const isAway = code === 'ENOENT' || [SQLITE_BUSY, SQLITE_CANTOPEN].includes(primary);
  if (isFull || isAway || code === 'EMFILE' || code === 'ENFILE' || (errcode !== 0 && !isOwner))
    return new Fault('unavailable', message, { cause: error });
  const isDamaged = DAMAGE.includes(primary) || errcode === SQLITE_IOERR_SHORT_READ;
  if (isDamaged) return damaged(path, error);
  // The disk itself: it ends the process, which is started again, and says what helps where that does not.
  if (primary === SQLITE_IOERR) return new Error(`${message}: ${remedyFor(path)}`, { cause: error });
  return error;
}

function damaged(path: string, error: unknown): Fault {
  return new Fault('corrupt', `sqlite:${path}: ${messageOf(error)}: ${remedyFor(path)}`, { cause: error });
}

function remedyFor(path: string): string {
  return `move ${path}, ${path}-wal and ${path}-shm to another place and start the site again: it is filled from the other sites`;
}
