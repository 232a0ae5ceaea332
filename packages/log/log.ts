/**
 * The Log port: the topics of one site. A topic has numbered partitions; a partition is an ordered, dense sequence of
 * records counted by offset from 0. Offsets are hints for where to read: what a record *is* stands in its value.
 */

/** What a topic must be when it exists. */
export type TopicSpec = {
  readonly name: string;
  readonly partitions: number;
  /**
   * First record of every partition, which gives the topic its identity; null for topics that other programs write
   * (ingest). Called once per partition in which nothing ever was: it stands at offset 0 or nowhere, as a partition that
   * was emptied is not a new one.
   */
  readonly genesis: ((partition: number) => Uint8Array) | null;
  /** True: an answered append survives power loss. False: it survives the process. */
  readonly flushed: boolean;
};

/** Text, or bytes where another program put what is no UTF-8. */
export type HeaderValue = string | Uint8Array;
/** What rides beside a record's value, by name; hints such as the origin's offset, never part of the record. */
export type Headers = Readonly<Record<string, HeaderValue>>;

/** One record to append; its bytes are stored unchanged. */
export type LogEntry = {
  readonly value: Uint8Array;
  readonly key?: Uint8Array | null;
  readonly headers?: Headers;
};

/** One record as it is stored in a topic partition. */
export type LogRecord = {
  readonly offset: number;
  /** When the log took it, in ms since 1970, by the log's own clock. */
  readonly timeMs: number;
  readonly value: Uint8Array;
  /** What another program put there; ours put none. */
  readonly key: Uint8Array | null;
  readonly headers: Headers;
  /**
   * Why the log's own checks do not vouch for what is stored from this offset on (its checksum, its codec); null when they
   * do. `value` is then those bytes as they were found, one record's or many's: they are shown, and never taken for data.
   */
  readonly damage: string | null;
};

/** What one step of `read` gives: records of one partition in order. */
export type LogBatch = {
  /** Ascending by offset; never empty. */
  readonly records: readonly LogRecord[];
  /** Offset after the partition's last record, as known when this batch was read: `end - 1 - last.offset` is the lag. */
  readonly end: number;
};

/** Which records of which partition `read` yields, and until when. */
export type ReadOptions = {
  readonly topic: string;
  readonly partition: number;
  /** First offset wanted. */
  readonly from: number;
  readonly signal: AbortSignal;
  /** Only of the topic that had this identity (`topicId`): `corrupt` when it is another one by now. */
  readonly topicId?: string;
  /**
   * For topics that other programs write: nothing of a transaction that was aborted, and nothing from the first one on
   * that is still open. Our own topics are read without: nobody's open transaction may hold up a copy. Default false.
   */
  readonly committedOnly?: boolean;
  /** Upper bound of one batch's value bytes; a single larger record is still delivered. Default RECORD_BYTES_MAX. */
  readonly batchBytesMax?: number;
  /** Stop at the end known when reading began instead of waiting for more. */
  readonly untilEnd?: boolean;
};

/**
 * One site's topics, to append to and to read; everything beyond bytes and order (chains, epochs, fences) is its
 * callers'.
 */
export interface Log extends AsyncDisposable {
  /** Where it is, for messages: `sqlite:…/log.db`, `kafka://…`. */
  readonly address: string;

  /**
   * Makes sure the topic is there as described, with its genesis record in every partition. Safe to repeat.
   * @throws {Fault} `invalid`: it exists with another partition count (both named). `unavailable`: cannot be reached.
   */
  ensureTopic(spec: TopicSpec): Promise<void>;

  /** Number of partitions, or null when there is no such topic. @throws {Fault} `unavailable` */
  partitionCount(topic: string): Promise<number | null>;

  /** Tells this topic from every other one that had its name before, or will; null when there is none. @throws {Fault} `unavailable` */
  topicId(topic: string): Promise<string | null>;

  /** Names of the topics there are, sorted. @throws {Fault} `unavailable` */
  topics(): Promise<string[]>;

  /**
   * Adds entries at the end of a partition, together and in order, and resolves with the offset of the first once all
   * are durable. Appends of this handle to one topic partition take turns, in the order in which they were asked for; an
   * empty one is the caller's bug (assertion). The values must not change until it settles. A batch that `read` yielded
   * with its default bounds always fits into one append.
   *
   * @throws {Fault} `unavailable`: definitely not stored. `unknown`: may be stored, now or later: settle it by reading.
   *   `tooLarge`: an entry, or the whole append, is (names both sizes). `notFound`: no such topic or partition. `corrupt`: the topic is not the one this handle used before (see `read`).
   */
  append(topic: string, partition: number, entries: readonly LogEntry[]): Promise<number>;

  /**
   * Yields batches from `from` on, waiting at the end (unless `untilEnd`), until `signal` aborts; then it returns.
   * Transport troubles are retried inside for as long as it takes, without losing the place or repeating a record.
   *
   * @throws {Fault} `corrupt`: the topic was deleted or made again, or its log lost its end (`from` beyond the end), and
   *   the message says which, within 5 s of it happening. `outOfRange`: `from` is before the first
   *   offset that is left (both named). `notFound`: no such topic or partition when reading begins.
   */
  read(options: ReadOptions): AsyncIterable<LogBatch>;

  /** First offset left and the offset after the last record. @throws {Fault} `unavailable`, `notFound` */
  bounds(topic: string, partition: number): Promise<{ readonly start: number; readonly end: number }>;

  /** Offset of the first record taken at or after `timeMs`; the end when there is none. Throws as `bounds` does. */
  offsetAtTime(topic: string, partition: number, timeMs: number): Promise<number>;

  /**
   * Drops records before `offset`, which becomes the partition's start; nothing happens where it already lies further.
   * @throws {Fault} `invalid`: `offset` is beyond the end (both named). Otherwise as `bounds`.
   */
  trim(topic: string, partition: number, offset: number): Promise<void>;
}

/** Largest record value a log must take, and the most value bytes of one append. */
export const RECORD_BYTES_MAX = 4 * 1024 * 1024;

/** Most entries in one append, and most records in one batch. */
export const BATCH_RECORDS_MAX = 8_192;

/** Most bytes of keys and headers (names and values) in one append. */
export const HEADER_BYTES_MAX = 512 * 1024;
