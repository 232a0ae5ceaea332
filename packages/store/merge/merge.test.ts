import { cellKinds } from '@tidemark/model/table';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Memtable } from '../memtable/memtable.ts';
import { MemtableSource } from '../memtable/memtable-source.ts';
import { compareBytes } from '../row/bytes.ts';
import { type StoredRow, storedRow } from '../row/row-value.ts';
import type { Source } from '../row/source.ts';
import { randomWrites, TABLE } from '../testing/arbitraries.ts';
import { batchOf, Model } from '../testing/model.ts';
import { mergeSources } from './merge.ts';

type Range = { readonly from?: Uint8Array | null; readonly to?: Uint8Array | null };

/** Live rows of the merged sources, through pieces of either kind. */
async function merged(sources: readonly Source[], range: Range = {}): Promise<StoredRow[]> {
  const want = { columns: cellKinds(TABLE), keys: true, stamps: true };
  const found: StoredRow[] = [];
  for await (const piece of mergeSources(sources, { want, blockRows: 5, ...range })) {
    const rows = piece.kind === 'rows' ? piece.rows : await piece.source.read(piece.block, want);
    const [from, to] = piece.kind === 'rows' ? [piece.from, piece.to] : [0, rows.rowCount];
    for (let row = from; row < to; row++) found.push(...[storedRow(TABLE, rows, row)].filter((one) => one !== null));
  }
  return found;
}

/** The writes dealt out to some memtables, and all of them in a model. */
async function dealt(seed: number): Promise<{ sources: MemtableSource[]; model: Model; random: SeededRandom }> {
  const random = new SeededRandom(seed);
  const memtables = Array.from({ length: integerBetween(random, 1, 4) }, () => new Memtable());
  const model = new Model();
  for (const write of randomWrites(random, 12, 8, 30)) {
    memtables[integerBetween(random, 0, memtables.length - 1)]!.apply(batchOf(TABLE, write.mutations), write.stamp);
    model.apply(TABLE, write.mutations, write.stamp);
  }
  const sources = await Promise.all(memtables.map((memtable) => MemtableSource.open(memtable, 3)));
  return { sources, model, random };
}

describe('merge', () => {
  it('ends in the same rows whatever the order of the sources, and with one given twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const { sources, model } = await dealt(seed);
        const expected = model.live(TABLE);
        expect(await merged(sources)).toEqual(expected);
        expect(await merged([...sources].reverse())).toEqual(expected);
        expect(await merged([...sources, sources[0]!])).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('gives the keys from one bound up to the other, whether they are keys or lie between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const { sources, model, random } = await dealt(seed);
        const rows = model.live(TABLE);
        const keys = rows.map((row) => row.key);
        const bound = (): Uint8Array | null => {
          const key = keys[integerBetween(random, 0, keys.length)];
          if (key === undefined) return null;
          return random.fraction() < 0.5 ? key : Buffer.concat([key, Buffer.from([7])]);
        };
        const [from, to] = [bound(), bound()];
        const isWithin = (key: Uint8Array): boolean =>
          (from === null || compareBytes(key, from) >= 0) && (to === null || compareBytes(key, to) < 0);
        expect(await merged(sources, { from, to })).toEqual(rows.filter((row) => isWithin(row.key)));
      }),
      { numRuns: 200 },
    );
  });
});
