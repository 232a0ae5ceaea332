/** Where a scan of rows goes on: behind which key, and of which partition, or 0 when all are gone through together. */

import { Fault } from '@tidemark/platform/fault';
import type { KeyBounds } from '../key/key-order.ts';
import { compareBytes } from '../row/bytes.ts';

/** A place behind a row of a scan. */
export type ScanPlace = { readonly run: number; readonly key: Uint8Array };

/** As readers are given it. */
export function formatCursor({ run, key }: ScanPlace): string {
  return `${run}.${Buffer.from(key).toString('base64url')}`;
}

/**
 * @param bounds of the scan that is to go on
 * @throws {Fault} `invalid`: not a cursor, or one of a scan of other keys; names both
 */
export function readCursor(cursor: string | null, { from, to }: KeyBounds): ScanPlace | null {
  if (cursor === null) return null;
  const match = /^(\d{1,6})\.([\w-]*)$/.exec(cursor);
  if (match === null) {
    const expected = 'a cursor as a scan returned it';
    throw new Fault('invalid', `cursor "${cursor}", expected ${expected}`, { got: cursor, expected });
  }
  const key = Buffer.from(match[2]!, 'base64url');
  const isWithin = (from === null || compareBytes(key, from) >= 0) && (to === null || compareBytes(key, to) < 0);
  if (isWithin) return { run: Number(match[1]), key };
  const expected = `a key from ${hex(from) ?? 'the first'} to ${hex(to) ?? 'the last'}`;
  const message = `cursor "${cursor}" is of another range: it stands at key ${hex(key)}, expected ${expected}`;
  throw new Fault('invalid', message, { got: hex(key), expected });
}

function hex(key: Uint8Array | null): string | null {
  return key === null ? null : Buffer.from(key).toString('hex');
}
