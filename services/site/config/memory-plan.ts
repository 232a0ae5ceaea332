/**
 * How a site's memory is divided: each part is refused, or waited for, beyond its bound, so that together they stay within
 * what the configuration states. Where it states nothing, each part has a bound that serves a machine of its own.
 */

import { ROOM_FACTOR } from '@tidemark/applier/keyspace/flusher';
import { Fault } from '@tidemark/platform/fault';

const MIB = 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, MiB: MIB, GiB: 1024 * MIB };

/** What a size has to look like. */
export const MEMORY_EXPECTED = 'a size such as "512MB" or "2GiB"';

/** A size in bytes; null: it is none. */
export function parseMemory(text: string): number | null {
  const [, count, unit] = /^(\d{1,6}) ?(MB|GB|MiB|GiB)$/.exec(text) ?? [];
  return count === undefined ? null : Number(count) * UNITS[unit!]!;
}

/** Bytes by what holds them; their sum is the budget. */
export type MemoryPlan = {
  /** Code, threads for merges, and what a site without rows needs. */
  readonly program: number;
  /** Column blocks kept unpacked. */
  readonly blocks: number;
  /** Rows that are not in files yet, of all keyspaces, those that are being written among them. */
  readonly memtables: number;
  /** Arrays of memtables that were flushed, kept for the next ones. */
  readonly spare: number;
  /** Writes that wait for their ack, of all keyspaces. */
  readonly pending: number;
  /** Records that wait to be committed, of all keyspaces. */
  readonly uncommitted: number;
  /** Requests that are read whole: of clients, of other sites. */
  readonly clientBodies: number;
  readonly peerBodies: number;
  /** Answers that are made whole and not taken yet. */
  readonly clientAnswers: number;
  readonly peerAnswers: number;
  /** What scans hold, by estimate; one may hold half of it. */
  readonly scans: number;
  /** What scans left and V8 has not collected yet. */
  readonly garbage: number;
};

const PROGRAM_BYTES = 192 * MIB;
/** Of what is left beside the program, in 128ths. */
const SHARES: Readonly<Record<Exclude<keyof MemoryPlan, 'program'>, number>> = {
  ...{ blocks: 28, memtables: 20, spare: 8, pending: 8, uncommitted: 8 },
  ...{ clientBodies: 14, peerBodies: 4, clientAnswers: 10, peerAnswers: 4, scans: 12, garbage: 12 },
};
/** The smallest memtable that is worth a file, and a column block of 65,536 values of 64 bytes. */
const MEMTABLE_BYTES_MIN = 4 * MIB;
const BLOCK_BYTES = 4 * MIB;

type Given = {
  /** Null: nothing is stated. */
  readonly memory: number | null;
  /** At which memtables are flushed. */
  readonly memtableBytesMax: number;
  readonly pendingBytesMax: number;
};

/**
 * Pure: the same settings give the same division.
 * @throws {Fault} `invalid`: too little for a memtable and a block beside the program; names both values.
 */
export function memoryPlan({ memory, memtableBytesMax, pendingBytesMax }: Given): MemoryPlan {
  if (memory === null) {
    return {
      program: 256 * MIB,
      blocks: 256 * MIB,
      memtables: ROOM_FACTOR * memtableBytesMax,
      spare: 80 * MIB,
      pending: pendingBytesMax,
      uncommitted: 256 * MIB,
      clientBodies: 256 * MIB,
      peerBodies: 64 * MIB,
      clientAnswers: 256 * MIB,
      peerAnswers: 64 * MIB,
      scans: 768 * MIB,
      garbage: 768 * MIB,
    };
  }
  const left = memory - PROGRAM_BYTES;
  const part = (of: keyof typeof SHARES): number => Math.floor((left * SHARES[of]) / 128);
  if (part('memtables') < ROOM_FACTOR * MEMTABLE_BYTES_MIN || part('blocks') < BLOCK_BYTES) {
    const least = Math.max(
      (ROOM_FACTOR * MEMTABLE_BYTES_MIN * 128) / SHARES.memtables,
      (BLOCK_BYTES * 128) / SHARES.blocks,
    );
    const expected = Math.ceil(PROGRAM_BYTES + least);
    const why = `${PROGRAM_BYTES} for the program, and a memtable of ${MEMTABLE_BYTES_MIN} and a block of ${BLOCK_BYTES} have to fit beside it`;
    throw new Fault('invalid', `memory: got ${memory} bytes, expected at least ${expected}: ${why}`, {
      got: memory,
      expected,
    });
  }
  const parts = Object.keys(SHARES).map((of) => [of, part(of as keyof typeof SHARES)]);
  const plan: Omit<MemoryPlan, 'program'> = Object.fromEntries(parts);
  return {
    ...plan,
    // What rounding leaves is the program's.
    program: memory - Object.values(plan).reduce((sum, bytes) => sum + bytes),
    // A bound that was set by itself, below its part, stays.
    memtables: Math.min(plan.memtables, ROOM_FACTOR * memtableBytesMax),
    pending: Math.min(plan.pending, pendingBytesMax),
  };
}
