import type { Column } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { describe, expect, it } from 'vitest';
import type { BytesChunk } from '../encoding/chunk.ts';
import type { Aggregate } from './aggregate.ts';
import { Groups } from './groups.ts';
import { makeAggregate } from './make-aggregate.ts';
import { FirstRows } from './order.ts';
import { SCAN_BYTES_MAX, SCANS_BYTES_MAX, ScanBudget } from './scan-budget.ts';

const refusal = (act: () => void): unknown => {
  try {
    act();
    return null;
  } catch (error) {
    return error;
  }
};

/** One text a row, all different, each of so many bytes. */
function texts(rowCount: number, length: number): BytesChunk {
  const arena = Buffer.alloc(rowCount * length, 'x');
  for (let row = 0; row < rowCount; row++) arena.writeUInt32BE(row, row * length);
  return {
    ...{ form: 'bytes', kind: 'bytes', rowCount, presence: null, codes: null, arena, entryCount: rowCount },
    ...{ starts: Uint32Array.from({ length: rowCount }, (_, i) => i * length), runEnds: null, runPrefixes: null },
    lengths: new Uint32Array(rowCount).fill(length),
  };
}

const COLUMN: Column = { id: 3, name: 'w', type: { name: 'string' }, dropped: false };
const ROWS = 50;
const LENGTH = 10_000;
const rows = Uint32Array.from({ length: ROWS }, (_, i) => i);

describe('budget of scans', () => {
  it('refuses a scan that holds more than one may, for good, and names both values', () => {
    using budget = new ScanBudget();
    budget.hold(SCAN_BYTES_MAX, 'groups');
    const refused = refusal(() => budget.hold(SCAN_BYTES_MAX + 1024 * 1024, 'groups'));
    expect(isFault(refused, 'invalid') && [refused.details.got, refused.details.expected]).toEqual([
      '385 MiB',
      '384 MiB',
    ]);
  });

  it('refuses one for now when all hold too much, names both values, and takes it once another has ended', () => {
    using first = new ScanBudget();
    first.hold(SCAN_BYTES_MAX, 'groups');
    using last = new ScanBudget();
    {
      using second = new ScanBudget();
      second.hold(SCAN_BYTES_MAX, 'groups');
      const refused = refusal(() => last.hold(SCANS_BYTES_MAX - 2 * SCAN_BYTES_MAX + 1024 * 1024, 'groups'));
      expect(isFault(refused, 'unavailable') && refused.details.retryAfterMs).toBe(2_000);
      expect((refused as Error).message).toMatch(/769 MiB.*768 MiB/);
    }
    expect(refusal(() => last.hold(1024 * 1024, 'groups'))).toBeNull();
  });

  it('counts what is held now, however often it is said', () => {
    using budget = new ScanBudget();
    for (let i = 0; i < 10; i++) budget.hold(SCAN_BYTES_MAX, 'groups');
    budget.hold(0, 'groups');
    using other = new ScanBudget();
    expect(refusal(() => other.hold(SCAN_BYTES_MAX, 'groups'))).toBeNull();
  });
});

describe('what a scan holds is counted with its texts', () => {
  const chunk = texts(ROWS, LENGTH);
  const all = ROWS * LENGTH;
  const output = (kind: 'min' | 'max' | 'countDistinct' | 'quantile') =>
    makeAggregate({ kind, name: 'w', type: COLUMN.type, column: COLUMN, at: 0.5 } as Parameters<
      typeof makeAggregate
    >[0]);

  it.each(['min', 'max', 'countDistinct', 'quantile'] as const)('by %s', (kind) => {
    const aggregate: Aggregate = output(kind);
    aggregate.add(rows, rows, chunk);
    expect(aggregate.heldBytes).toBeGreaterThanOrEqual(all);
  });

  it('of which only one is held, not those before', () => {
    const least = output('max');
    least.add(rows, 0, chunk);
    expect(least.heldBytes).toBeLessThan(2 * LENGTH);
  });

  it('by an approximate count: its registers, in each group', () => {
    const sketch = makeAggregate({
      ...{ kind: 'countDistinctApprox', name: 'w', type: { name: 'long' }, column: COLUMN, at: 0 },
    });
    sketch.add(rows, rows, chunk);
    expect(sketch.heldBytes).toBeGreaterThanOrEqual(ROWS * 4_096);
  });

  it('by groups, and by rows that wait to be ordered', async () => {
    const groups = new Groups([COLUMN]);
    groups.number(rows, () => chunk);
    expect(groups.heldBytes).toBeGreaterThanOrEqual(all);
    const first = new FirstRows<number>([false], 10);
    for (let row = 0; row < ROWS; row++) first.add([row], row, LENGTH);
    await first.settle();
    expect(first.heldBytes).toBe(10 * LENGTH);
  });
});
