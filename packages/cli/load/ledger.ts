/**
 * The ledger of a load: which batches were acked, written by the client and synced before an ack counts. Loss is
 * counted against it, never against the system's own view.
 *
 * It is a text file of JSON lines: first what is loaded (LedgerHead), then a line for each acked batch (LedgerEntry)
 * in the order of the acks. A last line cut short by a crash was not counted, and is dropped on resuming.
 */

import { Fault } from '@tidemark/platform/fault';

/** The first line: what is loaded, how it is cut into batches, and under which idempotency keys. */
export type LedgerHead = {
  /** The form of this file. */
  readonly ledger: 1;
  /** `keyspace.table`. */
  readonly table: string;
  /** The source's name; resuming from another one is refused. */
  readonly source: string;
  readonly batchRows: number;
  /** Batch n was and will be sent under `<prefix>-<n>`. */
  readonly idempotencyPrefix: string;
};

/** A line for each acked batch, in order of acks; it is synced before the ack counts. */
export type LedgerEntry = {
  /** Counted from 0. */
  readonly batch: number;
  /** Rows of the source, counted from 1, both included. */
  readonly firstRow: number;
  readonly lastRow: number;
  readonly token: string;
  /** Wall clock of the client. */
  readonly ackedAtMs: number;
  /** Rows among them that were refused; absent when none was. */
  readonly rejected?: readonly number[];
};

/** A ledger as read. */
export type Ledger = {
  readonly head: LedgerHead;
  /** By batch number. */
  readonly entries: ReadonlyMap<number, LedgerEntry>;
  /** Bytes of whole lines: what follows is a line cut short. */
  readonly wholeBytes: number;
};

/**
 * Reads a ledger's text.
 * @returns null when not even its first line is whole: nothing was acked
 * @throws {Fault} `corrupt`: a line within it is not one of a ledger; names its number
 */
export function parseLedger(text: string, path: string): Ledger | null {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines = whole.split('\n').slice(0, -1);
  if (lines.length === 0) return null;
  const head = parseLedgerLine(lines[0]!, path, 1) as LedgerHead;
  if (head.ledger !== 1 || typeof head.batchRows !== 'number') {
    throw new Fault('corrupt', `${path}, line 1: "${lines[0]!.slice(0, 80)}" is not the head of a ledger`);
  }
  const entries = new Map<number, LedgerEntry>();
  lines.slice(1).forEach((line, i) => {
    const entry = parseLedgerLine(line, path, i + 2) as LedgerEntry;
    if (typeof entry.batch !== 'number' || typeof entry.lastRow !== 'number') {
      throw new Fault('corrupt', `${path}, line ${i + 2}: "${line.slice(0, 80)}" is not an acked batch`);
    }
    entries.set(entry.batch, entry);
  });
  return { head, entries, wholeBytes: Buffer.byteLength(whole) };
}

function parseLedgerLine(line: string, path: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new Fault('corrupt', `${path}, line ${number}: "${line.slice(0, 80)}" is not JSON`, { cause });
  }
}

/** Rows the ledger holds as acked, without those that were refused. */
export function ackedRows(ledger: Ledger): number {
  let rows = 0;
  for (const entry of ledger.entries.values())
    rows += entry.lastRow - entry.firstRow + 1 - (entry.rejected?.length ?? 0);
  return rows;
}

/** Where a ledger is written to. */
export type LedgerFile = {
  append(text: string): Promise<void>;
  /** Returns once everything appended survives a power loss. */
  sync(): Promise<void>;
  close(): Promise<void>;
};

/** Adds entries to a ledger; those that wait while a sync runs share the next one. */
export class LedgerWriter implements AsyncDisposable {
  readonly #file: LedgerFile;
  #waiting: string[] = [];
  #next: Promise<void> | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(file: LedgerFile) {
    this.#file = file;
  }

  /** Resolves once the line is on the disk: only then does the ack count. */
  async add(line: LedgerHead | LedgerEntry): Promise<void> {
    this.#waiting.push(`${JSON.stringify(line)}\n`);
    this.#next ??= this.#running.then(() => this.#flush());
    await this.#next;
  }

  async #flush(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#running = this.#next!;
    this.#next = null;
    await this.#file.append(lines.join(''));
    await this.#file.sync();
  }

  /** Waits for what was added, then closes the file. What failed was told to whoever added it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#running, this.#next]);
    await this.#file.close();
  }
}
