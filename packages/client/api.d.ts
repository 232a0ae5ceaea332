/** How a connection behaves; all optional. */
export type ConnectOptions = {
    /** How long a request is repeated before it is given up, in ms; 30,000 unless told. */
    readonly timeoutMs?: number;
    /** Longest silence of one site before another try, in ms; 10,000 unless told. */
    readonly idleMs?: number;
    /** False: each `put` and `get` is a request of its own. Unless told, those made at the same time travel together. */
    readonly gather?: boolean;
    /** Time; the machine's own unless told. */
    readonly clock?: Clock;
    /** Chance, for pauses and idempotency keys; the machine's own unless told. */
    readonly random?: Random;
    /** The network; the global `fetch` unless told. */
    readonly fetch?: Fetch;
};

/**
 * Opens a connection. Give the addresses of all sites: it finds the primary among them, and its successor.
 * Sites that do not answer yet are no error here; each request says so when its time is up.
 * @throws {Fault} `invalid`: no address, or one that is not http(s).
 */
export declare function connect(urls: readonly string[], options?: ConnectOptions): Promise<Database>;

/** `seq` counts from 0 in every epoch; −1 means before the epoch's first record. */
export type Position = {
    /** Counts the primaries of a keyspace, from 1 on. */
    readonly epoch: number;
    /** Counts the records of an epoch. */
    readonly seq: number;
};

/** What time it is, and waiting. */
export interface Clock {
    /** Wall time in ms since 1970, UTC. May jump. Used for stamps and for people. */
    nowMs(): number;
    /** Time since some fixed moment, in ms with fractions; never goes back. Used for every interval and deadline. */
    monotonicMs(): number;
    /** Resolves after `ms`, or at once when `signal` aborts; it never rejects. */
    sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Something expected went wrong. `message` names the thing, and what was got and expected; `cause` is kept. */
export declare class Fault extends Error {
    /** What the caller does next. */
    readonly kind: FaultKind;
    /** The named parts of the message. */
    readonly details: FaultDetails;
    /** @param details the named parts, and the `cause` */
    constructor(kind: FaultKind, message: string, details?: FaultDetails & {
        readonly cause?: unknown;
    });
}

/** What a Fault can name beside its message; these become the fields of the HTTP problem body. */
export type FaultDetails = {
    /** The table's name. */
    readonly table?: string;
    /** The column's name. */
    readonly column?: string;
    /** The file that is wrong, relative to the data folder. */
    readonly path?: string;
    /** What there was. */
    readonly got?: unknown;
    /** What there should have been. */
    readonly expected?: unknown;
    /** How long to wait before trying again, in ms. */
    readonly retryAfterMs?: number;
    /** Where the right place to ask is, when it is another site. */
    readonly location?: string;
    /** The address of the site that said so; absent where no answer came. */
    readonly answeredBy?: string;
};

/**
 * What whoever gets a Fault does next: nothing where it is a refusal; else
 * - `notLeader`: not done, another site leads; ask at `location` (307)
 * - `fenced`: a newer owner exists; stop (409)
 * - `unavailable`: not done; back off and retry (503)
 * - `unknown`: may be done; ask, or repeat with the same id (504)
 * - `keyForgotten`: may be done, and a repeat does not tell; look, and send what is missing under another key (422)
 * - `corrupt`: stored bytes are wrong; set them aside and alarm (500)
 */
export type FaultKind = RefusalKind | 'notLeader' | 'fenced' | 'unavailable' | 'unknown' | 'keyForgotten' | 'corrupt';

/** True for a Fault, of the given kind when one is named. */
export declare function isFault(error: unknown, kind?: FaultKind): error is Fault;

/** True for a Fault that refuses: nothing of it was done, and asking the same again is of no use. */
export declare function isRefusal(error: unknown): error is Fault & {
    readonly kind: RefusalKind;
};

/**
 * Refused: nothing of it was done, and asking the same again is refused again. In parentheses: the HTTP status.
 * - `invalid`: not what can be asked; tell whoever asked (400)
 * - `forbidden`: whoever asks may not (403)
 * - `notFound`: what is named is not there (404)
 * - `conflict`: a rule refuses it as things stand; look at them first (409)
 * - `outOfRange`: what was there is gone: the log begins later (410)
 * - `preconditionFailed`: it is not the version that was asked for; read it again (412)
 * - `tooLarge`: more than is taken at once; send less (413)
 * - `unsupported`: a form that is not read here; send another one (415)
 * - `keyReused`: the idempotency key stands for another request; send this one under a key of its own (422)
 */
export type RefusalKind = 'invalid' | 'forbidden' | 'notFound' | 'conflict' | 'outOfRange' | 'preconditionFailed' | 'tooLarge' | 'unsupported' | 'keyReused';

/** Chance, and ids. */
export interface Random {
    /** Uniform in [0, 1). */
    fraction(): number;
    /** A new id nobody else has: 32 lower-case hex digits. */
    id(): string;
}

/**
 * A connection to a keyspace's sites, as `connect` opens it. A request is repeated until it is answered for certain or
 * the connection's time-out is over. It holds no socket of its own: closing it only gives up what is under way.
 */
export declare class Database implements AsyncDisposable {
    #private;
    private constructor();
    /**
     * Writes one row. Puts made at the same time travel together in few requests, where they ask for the same ack of the
     * same table; each has its own outcome. One with an `idempotencyKey` goes by itself. Puts of one row are carried out in
     * the order they were made, whether or not they are awaited.
     * @throws {Fault} Refused: as `isRefusal` tells, naming the column and both values. `unavailable`: certainly not stored.
     *   `unknown`: may be stored; the same row under the same `idempotencyKey` may be sent again.
     */
    put<D extends TableDefinition>(table: ClientTable<D>, row: WriteRow<D>, options?: WriteOptions): Promise<Receipt>;
    /** Writes rows as one batch. Rows that are refused are named in the receipt; the others count. Errors as `put`. */
    putMany<D extends TableDefinition>(table: ClientTable<D>, rows: readonly WriteRow<D>[], options?: WriteOptions): Promise<Receipt>;
    /** Sends a batch as it is, until it is answered for certain. Errors as `put`. */
    writeEncoded(batch: EncodedBatch, options?: WriteOptions): Promise<Receipt>;
    /**
     * Writes a stream of rows in batches and yields each batch's receipt in order. The source is read no faster than
     * batches are acked. Errors as `put`; batches whose receipt was yielded are stored.
     */
    write<D extends TableDefinition>(table: ClientTable<D>, rows: AsyncIterable<WriteRow<D>> | Iterable<WriteRow<D>>, options?: StreamOptions): AsyncGenerator<Receipt>;
    /**
     * The row of a key, null when there is none. Gets made at the same time travel together in few requests, where they ask
     * for the same of the same table.
     * @throws {Fault} refused, also `notFound` for the table; or `unavailable`
     */
    get<D extends TableDefinition>(table: ClientTable<D>, key: Key<D>, options?: ReadOptions): Promise<Row<D> | null>;
    /**
     * The rows of many keys in one request, in the order of the keys; null where there is none. Each is as it is when it is
     * read. 100,000 keys at most.
     * @throws {Fault} refused, or `unavailable`. `unknown`: the connection broke in the midst of the answer; ask again.
     */
    getMany<D extends TableDefinition>(table: ClientTable<D>, keys: readonly Key<D>[], options?: ReadOptions): Promise<(Row<D> | null)[]>;
    /**
     * The rows whose key begins with `prefix`, in key order, the last first where `order` says so, within bounds of the key
     * column that follows. Up to 1,000 rows come page by page of 2 MiB; more, or all, as a scan does, as of one moment.
     * @throws {Fault} as `scan`
     */
    range<D extends TableDefinition>(table: ClientTable<D>, prefix: KeyPrefix<D>, options?: RangeOptions): AsyncGenerator<Row<D>>;
    /** Rows by condition, selection, grouping and order, as they arrive. @throws {Fault} see `ScanRows.blocks`. */
    scan<D extends TableDefinition, const Q extends ScanQuery<D>>(table: ClientTable<D>, query: Q, options?: ReadOptions): ScanRows<ScanRow<D, Q>>;
    /**
     * Resolves once the write is visible to readers at a site.
     * @throws {Fault} `unavailable`: not yet, within the connection's time-out.
     */
    visible(receipt: Receipt, where: {
        readonly at: string;
    }): Promise<void>;
    /** The addresses of all sites: those given, and those that the sites name. */
    siteUrls(): Promise<readonly string[]>;
    /** Reads go to this site from now on, while it answers. @throws {Fault} `invalid`: no site has that name. */
    preferSite(nameOrUrl: string): Promise<void>;
    /** Closes the connection. What is under way is given up: a write as `unknown`, if it may have been stored. */
    [Symbol.asyncDispose](): Promise<void>;
}

/** A batch as bytes, for those who make their own. */
export type EncodedBatch = {
    /** The keyspace's name. */
    readonly keyspace: string;
    /** The table's name, without its keyspace. */
    readonly table: string;
    /** How the rows are written, as `application/json` or `application/x-ndjson`. */
    readonly contentType: string;
    /** The rows. */
    readonly body: string | Uint8Array<ArrayBuffer>;
    /** How many rows there are. */
    readonly rowCount: number;
};

/** How a stream of rows is written. */
export type StreamOptions = {
    /** As in `WriteOptions`. */
    readonly ack?: WriteOptions['ack'];
    /** Rows a batch; 1,000 unless told. */
    readonly batchRows?: number;
    /** Batches on their way at once; 4 unless told. Two writes of one cell keep their order only with 1. */
    readonly inFlight?: number;
    /** Batch n has the key `<prefix>-<n>`. One is made up when it is left out. */
    readonly idempotencyPrefix?: string;
};

/** How much of a write must have happened before it is acked; never less than the keyspace's own level. */
export type WriteOptions = {
    /** `local`: in the primary's log. `sync`: also in other sites' logs. The keyspace's own level unless told. */
    readonly ack?: 'local' | 'sync';
    /** Under the same key a write counts once, however often it is sent. One is made up when it is left out. */
    readonly idempotencyKey?: string;
    /** Gives the write up when it aborts: `unavailable` if nothing of it was sent, else `unknown`. */
    readonly signal?: AbortSignal;
};

/** `fetch`, so that tests can stand in for the network. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What a scan says when it is through. */
export type ScanEnd = {
    /** Rows that were sent. */
    readonly rows: number;
    /** Rows that were looked at. */
    readonly scanned: number;
    /** How long the site took. */
    readonly ms: number;
    /** Stamp of the newest barrier all of whose writes the answer contains. */
    readonly asOf: unknown;
    /** Where to go on, when a limit cut the answer; null otherwise. */
    readonly cursor: string | null;
};

/** A bound: a value of the key column that follows the prefix. */
export type RangeBound = WriteValue<ColumnTypeName>;

/** Which rows of a key prefix, and in which order. */
export type RangeOptions = ReadOptions & {
    /** Rows at most; a whole number from 1 on. */
    readonly limit?: number;
    /** Rows whose next key column is this or comes after it. */
    readonly from?: RangeBound;
    /** Rows whose next key column comes after this. */
    readonly after?: RangeBound;
    /** Rows whose next key column is this or comes before it. */
    readonly to?: RangeBound;
    /** Rows whose next key column comes before this. */
    readonly until?: RangeBound;
    /** `desc`: the last first. */
    readonly order?: 'asc' | 'desc';
};

/** One condition on a column. A comparison with a cell that has no value is neither true nor false. */
export type ColumnCondition<D extends TableDefinition> = {
    [C in ColumnName<D>]: readonly [C, '=' | '!=' | '<' | '<=' | '>' | '>=', WriteValue<D['columns'][C]>] | readonly [C, 'in', readonly WriteValue<D['columns'][C]>[]] | readonly [C, 'between', readonly [WriteValue<D['columns'][C]>, WriteValue<D['columns'][C]>]] | readonly [C, 'prefix', WriteValue<D['columns'][C]>] | readonly [C, 'is-null' | 'is-not-null'];
}[ColumnName<D>];

/** A condition, or several put together. */
export type Condition<D extends TableDefinition> = ColumnCondition<D> | {
    readonly and: readonly Condition<D>[];
} | {
    readonly or: readonly Condition<D>[];
} | {
    readonly not: Condition<D>;
};

/** How fresh and from where a read is. */
export type ReadOptions = {
    /** `local`: any site, what it has applied. `primary`: the newest committed value. */
    readonly read?: 'local' | 'primary';
    /** The site to ask, by name or address. */
    readonly at?: string;
    /** A receipt's token: the answer contains that write, and waits for it. */
    readonly atLeast?: string;
};

/** A scan: conditions, selection, grouping, order and limit, all optional. */
export type ScanQuery<D extends TableDefinition> = {
    /** Columns and aggregates; all columns when left out. */
    readonly select?: readonly SelectItem<D>[];
    /** All of them must hold. */
    readonly where?: readonly Condition<D>[];
    /** Columns whose values make the groups that aggregates are of. */
    readonly groupBy?: readonly ColumnName<D>[];
    /** Columns or the names of aggregates. Cells without a value come last, in either direction. */
    readonly orderBy?: readonly (readonly [string, 'asc' | 'desc'])[];
    /** Rows at most; a whole number from 1 on. */
    readonly limit?: number;
    /** Goes on where the `end` of an earlier scan of the same query stopped. */
    readonly cursor?: string;
};

/** The row type of a query: the selected cells, or the whole row. */
export type ScanRow<D extends TableDefinition, Q extends ScanQuery<D>> = Q['select'] extends readonly (infer S)[] ? {
    [C in keyof Both<SelectedCell<D, S>>]: Both<SelectedCell<D, S>>[C];
} : Row<D>;

/** The rows of a scan, one by one as they arrive; `end` is known once they are through. Read it once. */
export declare class ScanRows<R> implements AsyncIterable<R> {
    #private;
    private constructor();
    /** What the site said at the end; null until the last row was read. */
    get end(): ScanEnd | null;
    /**
     * Rows in blocks as they arrive, for those who have many.
     * @throws {Fault} `unknown`: the answer stopped before its end; never silently short.
     */
    blocks(): AsyncGenerator<R[]>;
    /** The rows one by one. Errors as `blocks`. */
    [Symbol.asyncIterator](): AsyncGenerator<R>;
}

/** A column, or an aggregate under a name of its own. */
export type SelectItem<D extends TableDefinition> = ColumnName<D> | {
    readonly count: '*' | ColumnName<D>;
    readonly as: string;
} | {
    readonly sum: ColumnName<D>;
    readonly as: string;
} | {
    readonly avg: ColumnName<D>;
    readonly as: string;
} | {
    readonly min: ColumnName<D>;
    readonly as: string;
} | {
    readonly max: ColumnName<D>;
    readonly as: string;
};

/** A declared table: its place and its columns. `D` carries the row types. */
export type ClientTable<D extends TableDefinition = TableDefinition> = {
    /** The keyspace's name. */
    readonly keyspace: string;
    /** The table's name, without its keyspace. */
    readonly name: string;
    /** As it was declared. */
    readonly definition: D;
    /** Partition key first, then the sort key in order. */
    readonly key: readonly string[];
};

/** Names of all columns. */
export type ColumnName<D extends TableDefinition> = keyof D['columns'] & string;

/** A column's type as a keyspace file writes it. */
export type ColumnTypeName = 'boolean' | 'int' | 'long' | 'double' | 'string' | 'bytes' | 'timestamp' | 'date' | `decimal(${number},${number})`;

/** The key of one row. */
export type Key<D extends TableDefinition> = {
    [C in KeyName<D>]: WriteValue<TypeOf<D, C>>;
};

/** Names of the key's columns. */
export type KeyName<D extends TableDefinition> = Extract<D['partitionKey'], ColumnName<D>> | (D['sortKey'] extends readonly (infer S)[] ? Extract<S, ColumnName<D>> : never);

/** The first parts of a key: the partition key, and any sort-key columns that follow without a gap. */
export type KeyPrefix<D extends TableDefinition> = {
    [C in Extract<D['partitionKey'], ColumnName<D>>]: WriteValue<TypeOf<D, C>>;
} & Partial<Key<D>>;

/** What a cell of a type is when read. A `long` is a bigint, a `decimal` its digits, a `date` YYYY-MM-DD. */
export type ReadValue<T extends ColumnTypeName> = T extends 'boolean' ? boolean : T extends 'int' | 'double' ? number : T extends 'long' ? bigint : T extends 'bytes' ? Uint8Array : T extends 'timestamp' ? Timestamp : string;

/** A row as read: every column is there; a cell that has no value is null. */
export type Row<D extends TableDefinition> = {
    [C in ColumnName<D>]: C extends KeyName<D> ? ReadValue<TypeOf<D, C>> : ReadValue<TypeOf<D, C>> | null;
};

/** The row type of a declared table, for signatures: `RowOf<typeof flights>`. */
export type RowOf<T> = T extends ClientTable<infer D> ? Row<D> : never;

/** The part of a keyspace file's table that a program needs to read and write rows. */
export type TableDefinition = {
    /** Name → type. */
    readonly columns: {
        readonly [name: string]: ColumnTypeName;
    };
    /** The column that decides which partition a row is in; the first of the key. */
    readonly partitionKey: string;
    /** The other columns of the key, in the order rows are kept in; none when left out. */
    readonly sortKey?: readonly string[];
};

/**
 * Declares a table, as the keyspace file does.
 * @param name `keyspace.table`
 * @throws {Fault} `invalid`: the name has another form, or the key names a column that is not declared.
 */
export declare function table<const D extends TableDefinition>(name: `${string}.${string}`, definition: D & KeyIsAmongColumns<D>): ClientTable<D>;

/** A row to write: the key, and cells. An absent cell is untouched, null deletes it, `$delete` deletes the row. */
export type WriteRow<D extends TableDefinition> = (Key<D> & {
    [C in Exclude<ColumnName<D>, KeyName<D>>]?: WriteValue<TypeOf<D, C>> | null;
}) | (Key<D> & {
    $delete: true;
});

/** What may be written into a cell of a type. A plain `Date` has ms; a `Timestamp` or RFC 3339 text has µs. */
export type WriteValue<T extends ColumnTypeName> = T extends 'boolean' ? boolean : T extends 'int' | 'double' ? number : T extends 'long' ? number | bigint : T extends 'bytes' ? Uint8Array : T extends 'timestamp' ? Moment | string : T extends 'date' | 'string' ? string : string | number;

declare const Moment: DateConstructor;

/** A Date, be it a plain one or a Timestamp. */
export type Moment = InstanceType<typeof Moment>;

/** A moment in UTC with µs: a Date that keeps the three digits which a Date drops. Equal moments have equal `micros`. */
export declare class Timestamp extends Moment {
    /** µs since 1970 UTC, whole. */
    readonly micros: number;
    /** @param micros µs since 1970 UTC, whole */
    constructor(micros: number);
    /** Of RFC 3339, like `2001-01-10T18:20:00.000123Z`. @throws {Fault} `invalid`: not RFC 3339. */
    static from(text: string): Timestamp;
    /** RFC 3339 in UTC, with µs where there are any. */
    toISOString(): string;
    /** As `toISOString`. */
    toJSON(): string;
}

/** Proof of an acked write. */
export type Receipt = {
    /** The keyspace's name. */
    readonly keyspace: string;
    /** The table's name, without its keyspace. */
    readonly table: string;
    /** Rows that are stored. */
    readonly accepted: number;
    /** Rows that were refused, and are not. */
    readonly rejected: number;
    /** The ack level it was given at, like `sync(1)`. */
    readonly ack: string;
    /** Hand it to `visible`, or as `atLeast` to a read. */
    readonly token: string;
    /** Partition → where its part of the write stands in the origin's log; of a put also what travelled with it. */
    readonly positions: ReadonlyMap<number, Position>;
    /** The rows that were refused, as many of them as the site names. */
    readonly errors: readonly RowError[];
};

/** A row that was refused. */
export type RowError = {
    /** Counted from 1 in the request. */
    readonly line: number;
    /** Why: names the column, and what was got and expected. */
    readonly fault: Fault;
};

type TypeOf<D extends TableDefinition, C extends ColumnName<D>> = D['columns'][C];

type Both<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never;

type SelectedCell<D extends TableDefinition, S> = S extends ColumnName<D> ? {
    [C in S]: Row<D>[C];
} : S extends {
    readonly count: unknown;
    readonly as: infer A extends string;
} ? {
    [N in A]: number;
} : S extends {
    readonly avg: unknown;
    readonly as: infer A extends string;
} ? {
    [N in A]: number | null;
} : S extends {
    readonly sum: infer C extends ColumnName<D>;
    readonly as: infer A extends string;
} ? {
    [N in A]: NullableRead<SumType<D['columns'][C]>>;
} : S extends {
    readonly min: infer C extends ColumnName<D>;
    readonly as: infer A extends string;
} ? {
    [N in A]: NullableRead<D['columns'][C]>;
} : S extends {
    readonly max: infer C extends ColumnName<D>;
    readonly as: infer A extends string;
} ? {
    [N in A]: NullableRead<D['columns'][C]>;
} : never;

type NullableRead<T extends ColumnTypeName> = ReadValue<T> | null;

/** Whole numbers are summed exactly, so that the sum of an `int` is a `long`. */
type SumType<T extends ColumnTypeName> = T extends 'int' ? 'long' : T;

/** Refuses, while compiling, a key that is not among the columns. */
type KeyIsAmongColumns<D extends TableDefinition> = {
    readonly partitionKey: ColumnName<D>;
    readonly sortKey?: readonly ColumnName<D>[];
};

export {};
