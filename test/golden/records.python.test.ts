/**
 * The page on bytes is enough to read a log: a reader in Python, written from docs/format.md alone, finds in records of
 * every kind what ours does, and notices a byte that is not as it was written.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CELL } from '@tidemark/columnar/column-vector';
import { addJsonRow } from '@tidemark/columnar/json-rows';
import { RowBatch } from '@tidemark/columnar/row-batch';
import { tickAfter } from '@tidemark/model/stamp';
import type { Column, Table } from '@tidemark/model/table';
import {
  type Body,
  type EpochStartBody,
  type MutateBody,
  NO_CHAIN,
  NOTHING_BEFORE,
  type Unsealed,
} from '@tidemark/record/envelope';
import { decodeMutate, encodeMutate } from '@tidemark/record/mutate';
import { epochSeed, openRecord, sealRecord } from '@tidemark/record/seal';
import { describe, expect, it } from 'vitest';

const READER = fileURLToPath(new URL('records.py', import.meta.url));
const FROZEN = readFileSync(new URL('data/records-v2.hex', import.meta.url), 'utf8')
  .trim()
  .split('\n');

const TABLE: Table = {
  id: 1,
  name: 'flights',
  columns: [
    { id: 1, name: 'origin', type: { name: 'string' }, dropped: false },
    { id: 2, name: 'line', type: { name: 'int' }, dropped: false },
    { id: 3, name: 'delay', type: { name: 'int' }, dropped: false },
    { id: 4, name: 'gate', type: { name: 'string' }, dropped: false },
    { id: 5, name: 'seen', type: { name: 'timestamp' }, dropped: false },
    // Of each a row of twenty has a cell.
    ...Array.from({ length: 20 }, (_, n): Column => {
      return {
        id: 6 + n,
        name: `d${n}`,
        type: { name: n % 2 === 0 ? 'double' : 'string' },
        dropped: false,
        dynamic: true,
      };
    }),
  ],
  key: [1, 2],
  dynamicColumnsMax: 0,
  dynamicColumns: 0,
};
const NAME = { cluster: 'c1', keyspace: 'travel', origin: 'paris', partition: 5 };

type Read = {
  readonly kind: string;
  readonly seq: number;
  readonly body: { readonly rows?: readonly unknown[]; readonly stamp?: unknown } & Record<string, unknown>;
};

/** @throws {Error} what the reader says is wrong */
function inPython(lines: readonly string[]): Read[] {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
  const input = lines.map((line) => `${line}\n`).join('');
  return JSON.parse(execFileSync('python3', [READER], { input, env, encoding: 'utf8', stdio: 'pipe' })) as Read[];
}

/** Rows of which each column is there, absent or deleted in a way of its own; some keys are deleted. */
function mutation(): MutateBody {
  const batch = new RowBatch();
  for (let i = 0; i < 700; i++) {
    const key = { origin: `S\0${i % 7}`, line: i - 350 };
    if (i % 50 === 49) addJsonRow(TABLE, { $delete: true, ...key }, batch);
    else {
      const delay = i % 3 === 0 ? {} : { delay: i % 5 === 0 ? null : i * 1_000 - 9 };
      const seen = i % 2 === 0 ? { seen: new Date(1e12 + i ** 3 * 12_345).toISOString() } : {};
      const few = { [`d${i % 20}`]: i % 60 === 3 ? null : i % 2 === 0 ? i / 8 : `few ${i}` };
      addJsonRow(TABLE, { ...key, ...delay, gate: `gate ${i % 300}`, ...seen, ...few }, batch);
    }
  }
  batch.seal();
  const head = { table: 1, schemaVersion: 1, requestId: '', source: { topic: 't', partition: 1, first: 2, last: 3 } };
  const body = encodeMutate(
    head,
    batch,
    Uint32Array.from({ length: 700 }, (_, i) => i),
    0,
    700,
  );
  const offsets = Uint32Array.from({ length: 700 }, (_, i) => i * 400);
  return { ...body, stampOffsets: new Uint8Array(offsets.buffer) };
}

/** One of each kind, sealed one after the other. */
function everyKind(): string[] {
  const start: EpochStartBody = { kind: 'EpochStart', writerId: 'w1', ...NOTHING_BEFORE };
  const barrier: Body = { kind: 'Barrier', heads: [4, -1], rows: [700, 0], committed: [3, -1] };
  const bodies: Body[] = [{ kind: 'Genesis', logId: 'g~1' }, start, mutation(), { kind: 'Noop' }];
  bodies.push({ kind: 'Schema', version: 2, keyspace: '{"name":"travel"}' }, barrier);
  let chain = NO_CHAIN;
  const sealed = bodies.map((body, i) => {
    const record: Unsealed = {
      ...{ ...NAME, epoch: i === 0 ? 0 : 3, seq: i - 1, stampMs: 1_700_000_000_000, stampCounter: 65_000 },
      ...{ writer: 3, committed: i - 2, body },
    };
    const before = body.kind === 'EpochStart' ? epochSeed({ ...record, body }) : chain;
    const { bytes, chain: after } = sealRecord(record, before);
    chain = after;
    return bytes.toString('hex');
  });
  const fence: Body = { kind: 'Fence', closes: 3, by: 4, nonce: 'n' };
  const local = { ...NAME, epoch: 0, seq: -1, stampMs: 0, stampCounter: 0, writer: 0, committed: -1, body: fence };
  return [...sealed, sealRecord(local, NO_CHAIN).bytes.toString('hex')];
}

/** What ours reads of a record's rows, in the words of the other reader. */
function rowsOf(hex: string): unknown {
  const { stampMs, stampCounter, body } = openRecord(Buffer.from(hex, 'hex')).envelope;
  if (body.kind !== 'Mutate') throw new Error(body.kind);
  const batch = new RowBatch();
  decodeMutate(body, TABLE, batch);
  return Array.from({ length: batch.rowCount }, (_, row) => {
    const { ms, counter } = tickAfter(stampMs, stampCounter, batch.stampOffsets[row]!);
    const cells = [...batch.columns].flatMap(([id, vector]) => {
      const state = vector.presence[row];
      if (state === CELL.absent) return [];
      const raw = vector.kind === 'bytes' ? Buffer.from(vector.bytesAt(row)).toString('hex') : null;
      const number = vector.kind === 'i32' ? vector.i32[row] : vector.f64[row];
      return [[id, state === CELL.deleted ? null : (raw ?? String(number))] as const];
    });
    return {
      key: Buffer.from(batch.keys.bytesAt(row)).toString('hex'),
      deletes: batch.flags[row] === 1,
      stamp: [ms, counter],
      cells: Object.fromEntries([...cells, ...fewOf(batch, row)]),
    };
  });
}

/** The cells of a row that stand row by row: their columns, and their bytes. */
function fewOf({ few }: RowBatch, row: number): [number, string | null][] {
  if (few === null) return [];
  const { starts, columns, values } = few.cells;
  return Array.from(columns.subarray(starts[row], starts[row + 1]), (id, i) => {
    const cell = starts[row]! + i;
    return [id, values.presence[cell] === CELL.deleted ? null : values.bytesAt(cell).toString('hex')];
  });
}

describe('the reader of records in Python', () => {
  it('finds in the frozen records what ours does', () => {
    const [start, mutate] = inPython(FROZEN);
    expect(start).toMatchObject({ kind: 'EpochStart', seq: 0, body: { writerId: 'w1', ownEndSeq: -1 } });
    expect(mutate!.body.rows).toEqual(rowsOf(FROZEN[1]!));
  });

  it('finds in one of each kind what ours does', () => {
    const lines = everyKind();
    const read = inPython(lines);
    expect(openRecord(Buffer.from(lines[2]!, 'hex')).envelope.body).toMatchObject({
      columns: expect.arrayContaining([expect.objectContaining({ column: 0 })]),
    });
    expect(read.map(({ kind }) => kind).join()).toBe('Genesis,EpochStart,Mutate,Noop,Schema,Barrier,Fence');
    expect(read[2]!.body.rows).toEqual(rowsOf(lines[2]!));
    expect(read[5]!.body).toEqual({ heads: [4, -1], rows: [700, 0], committed: [3, -1] });
  });

  it('notices a byte that is not as it was written, and a record that is missing', () => {
    const lines = everyKind();
    expect(() => inPython([...lines.slice(0, 2), lines[2]!.replace('0', '1')])).toThrow();
    expect(() => inPython([...lines.slice(0, 2), ...lines.slice(3)])).toThrow('chain');
  });
});
