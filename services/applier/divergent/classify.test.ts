import { encodeKey } from '@tidemark/columnar/key';
import { describe, expect, it } from 'vitest';
import { sampleKeyspace } from '../testing/log-maker.ts';
import { classifyRow, lostOf } from './classify.ts';
import type { SuffixRow } from './suffix-rows.ts';

const TABLE = sampleKeyspace().tables[0]!;
const stamp = (ms: number, writer: number) => ({ ms, counter: 0, site: 1, writer });

describe('a row of a tail where nothing stands', () => {
  const row: SuffixRow = {
    ...{ epoch: 1, partition: 0, seq: 3, row: 0, requestId: 'r', table: TABLE },
    ...{ key: encodeKey(TABLE, ['a']), stamp: stamp(100, 1), values: { k: 'a', v: 1 } },
  };

  it('is lost, and written again only when what deleted it cannot have been forgotten', () => {
    expect(classifyRow(row, null)).toEqual({ v: 'lost' });
    expect(lostOf(row, classifyRow(row, null))).toEqual({ k: 'a', v: 1 });
    expect(classifyRow(row, null, true)).toEqual({ v: 'conflicting' });
    expect(lostOf(row, classifyRow(row, null, true))).toBe(null);
  });

  it('is superseded where the delete is known, forgotten or not what was before', () => {
    const deleted = { put: null, tombstone: stamp(200, 2), cells: [] };
    for (const isForgotten of [false, true])
      expect(classifyRow(row, deleted, isForgotten)).toEqual({ v: 'superseded' });
  });
});
