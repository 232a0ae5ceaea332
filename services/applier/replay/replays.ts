/** Replays as jobs, and the scratch tables they have made, by keyspace. */

import type { JobWork } from '@tidemark/jobs/jobs';
import { type Table, tableNamed } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { Fault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { KeyspaceApplier } from '../applier.ts';
import { Scratch } from '../keyspace/scratch.ts';
import type { TableStore } from '../keyspace/stores.ts';
import type { Replay, ReplayRequest } from './replay.ts';

const TEXTS = ['keyspace', 'table', 'from', 'to', 'into', 'origin'] as const;
const FLAGS = ['dryRun', 'resume'] as const;

type ReplaysParts = {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly replay: (...asked: AskedReplay) => Replay;
};

type AskedReplay = [applier: KeyspaceApplier, table: Table, request: ReplayRequest];

/** All replays of a site; one that makes a scratch table keeps others off it while it runs. */
export class Replays implements AsyncDisposable {
  readonly #parts: ReplaysParts;
  readonly #scratch = new Map<string, Scratch>();

  constructor(parts: ReplaysParts) {
    this.#parts = parts;
  }

  /** Opens the scratch tables a keyspace has here. */
  async open(applier: KeyspaceApplier): Promise<void> {
    const { disk, logger } = this.#parts;
    this.#scratch.set(applier.stores.keyspace.name, await Scratch.open(disk, applier.stores, logger));
  }

  /** Closes the scratch tables of a keyspace that is built again. */
  async close(keyspace: string): Promise<void> {
    await this.#scratch.get(keyspace)?.[Symbol.asyncDispose]();
    this.#scratch.delete(keyspace);
  }

  /** A scratch table, or undefined. */
  table(keyspace: string, name: string): TableStore | undefined {
    return this.#scratch.get(keyspace)?.table(name);
  }

  tables(keyspace: string): TableStore[] {
    const scratch = this.#scratch.get(keyspace);
    return scratch === undefined ? [] : scratch.names.map((name) => scratch.table(name)!);
  }

  /**
   * A request's body as work.
   * @throws {Fault} `invalid`: a field that is none, or says what cannot be; `unavailable`: another replay has the table.
   */
  work(body: Readonly<Record<string, unknown>>, applierOf: (keyspace: string) => KeyspaceApplier): JobWork {
    const request = checked(body);
    const applier = applierOf(request.keyspace);
    const table = tableNamed(applier.stores.keyspace, request.table);
    const { into } = request;
    const isSame = into === undefined || into === request.table;
    if (isSame && request.resume === true) {
      throw new Fault('invalid', 'replay: resume goes with "into": only a scratch table knows how far it came');
    }
    const { into: _, ...intoSame } = request;
    const replay = this.#parts.replay(applier, table, isSame ? intoSame : request);
    const scratch = this.#scratch.get(request.keyspace)!;
    const taken = isSame || request.dryRun === true ? null : scratch.take(into);
    return async (tell, signal) => {
      try {
        return await replay.run(scratch, tell, signal);
      } finally {
        taken?.[Symbol.dispose]();
      }
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const scratch of this.#scratch.values()) await scratch[Symbol.asyncDispose]();
  }
}

function checked(body: Readonly<Record<string, unknown>>): ReplayRequest {
  for (const [field, value] of Object.entries(body)) {
    const isText = TEXTS.some((name) => name === field);
    const isFlag = FLAGS.some((name) => name === field);
    const expected = isText ? 'string' : isFlag ? 'boolean' : null;
    if (field === 'kind' || typeof value === expected) continue;
    if (expected !== null) throw refused(field, typeof value, `a ${expected}`);
    throw refused(field, field, `one of kind, ${[...TEXTS, ...FLAGS].join(', ')}`);
  }
  for (const field of ['keyspace', 'table']) if (body[field] === undefined) throw refused(field, 'nothing', 'a name');
  return body as unknown as ReplayRequest;
}

function refused(field: string, got: string, expected: string): Fault {
  return new Fault('invalid', `replay: field "${field}": got ${got}, expected ${expected}`, { got, expected });
}
