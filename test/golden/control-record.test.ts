import { readFileSync } from 'node:fs';
import {
  type ControlBody,
  type ControlRecord,
  decodeControl,
  encodeControl,
} from '@tidemark/control/audit/control-record';
import { describe, expect, it } from 'vitest';

/** One line a record, hex: one of each kind as version 1 writes them, for ever. */
const FROZEN = readFileSync(new URL('data/control-v1.hex', import.meta.url), 'utf8')
  .trim()
  .split('\n');

const ballot = { counter: 7, site: 'tokyo', process: 'p1' };
const BODIES: readonly ControlBody[] = [
  { kind: 'Acceptor', id: 'a1' },
  { kind: 'Prepare', ballot },
  { kind: 'Accept', ballot, value: '{}' },
  { kind: 'Chosen', ballot, value: '{}' },
  { kind: 'Decision', id: 'd1', decision: '{}' },
];
const RECORDS = BODIES.map((body): ControlRecord => {
  const keyspace = body.kind === 'Acceptor' ? '' : 'travel';
  return { cluster: 'c1', site: 'paris', keyspace, timeMs: 1_700_000_000_000, body };
});

describe('control records of version 1', () => {
  it('are written as they are frozen', () => {
    expect(RECORDS.map((record) => encodeControl(record).toString('hex'))).toEqual(FROZEN);
  });

  it('are read from their frozen bytes', () => {
    const read = FROZEN.map((hex) => decodeControl(Buffer.from(hex, 'hex')));
    expect(JSON.parse(JSON.stringify(read))).toEqual(JSON.parse(JSON.stringify(RECORDS)));
  });
});
