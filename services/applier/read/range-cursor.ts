/**
 * Where a page of a range goes on: a version, the hash of the range it is of, and the key behind which the next page begins.
 * So one that was made for another range, or by another program, is refused and not read as something else.
 */

import { xxh32 } from '@tidemark/model/hash';
import { Fault } from '@tidemark/platform/fault';
import type { RangeBounds } from '@tidemark/store/range/range-wish';

const VERSION = 1;
const HEAD_BYTES = 5;

/** The cursor behind a key. @param bounds of the range as it was asked for, from its beginning */
export function formatRangeCursor(table: string, bounds: RangeBounds, key: Uint8Array): string {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(VERSION);
  head.writeUInt32LE(hashOf(table, bounds), 1);
  return Buffer.concat([head, key]).toString('base64url');
}

/** The key of a cursor. @throws {Fault} `invalid`: no cursor, or of another version or another range; names both */
export function parseRangeCursor(table: string, bounds: RangeBounds, cursor: string): Uint8Array {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length <= HEAD_BYTES || bytes.toString('base64url') !== cursor) {
    throw refused(cursor, 'is none', cursor, 'a cursor as a page of this range returned it');
  }
  const version = bytes.readUInt8();
  if (version !== VERSION) throw refused(cursor, 'is of another version', `version ${version}`, `version ${VERSION}`);
  const [got, expected] = [bytes.readUInt32LE(1), hashOf(table, bounds)];
  if (got !== expected) throw refused(cursor, 'is of another range', `range ${hex(got)}`, `range ${hex(expected)}`);
  return new Uint8Array(bytes.subarray(HEAD_BYTES));
}

function refused(cursor: string, what: string, got: string, expected: string): Fault {
  return new Fault('invalid', `cursor "${cursor}" ${what}: got ${got}, expected ${expected}`, { got, expected });
}

function hex(hash: number): string {
  return hash.toString(16).padStart(8, '0');
}

function hashOf(table: string, { from, to, direction }: RangeBounds): number {
  const end = (bytes: Uint8Array | null): string => (bytes === null ? '' : Buffer.from(bytes).toString('hex'));
  const text = Buffer.from(`${table}/${end(from)}/${end(to)}/${direction}`);
  return xxh32(text, 0, text.length);
}
