import { describe, expect, it } from 'vitest';
import { memoryBudget } from './memory-budget.ts';

const MIB = 1024 * 1024;
const sites = ['paris', 'tokyo', 'quito', 'oslo'].map((name, number) => {
  return { name, number, role: number < 3 ? ('data' as const) : ('witness' as const) };
});

describe('the memory budget', () => {
  it('follows from the settings and from what each keyspace may hold, witnesses aside', () => {
    const settings = { memtableBytesMax: 100 * MIB, pendingBytesMax: 50 * MIB };
    const [none, two] = [[], [4, 8].map((partitions) => ({ sites, partitions }))].map((keyspaces) =>
      memoryBudget(settings, keyspaces),
    );
    const more = Object.keys(two!).map((of) => [of, (two![of]! - none![of]!) / MIB]);
    expect(Object.fromEntries(more.filter(([, bytes]) => bytes !== 0))).toEqual({
      memtables: 200,
      pending: 100,
      uncommitted: 3 * (4 + 8) * 8,
    });
    expect(Object.values(none!).reduce((sum, bytes) => sum + bytes) / MIB).toBe(256 + 256 + 320 + 320 + 768 + 768);
  });
});
