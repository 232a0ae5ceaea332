/** Rows of one key arrive in the file's order, whatever the network does; rows of others do not wait for each other. */

import { connect } from '@tidemark/client';
import { type Behaviour, ScriptedSite } from '@tidemark/client/testing/scripted-site';
import { parseColumnType } from '@tidemark/model/column-type';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inKeyOrder, KeyReader } from './key-order.ts';
import { loadRows } from './load-rows.ts';
import { linesSource, type SourceBatch } from './row-source.ts';

const KEY = [{ name: 'k', type: parseColumnType('string') }];
const anything = fc.constantFrom<Behaviour>('ok', 'ok', 'busy', 'stored504', 'lost504', 'storedDrop', 'lostDrop');

async function* batchesOf(keys: readonly (readonly string[])[]): AsyncGenerator<SourceBatch> {
  for (const [batch, some] of keys.entries()) {
    yield { batch, firstRow: 1, lines: some.map((k) => JSON.stringify({ k })) };
  }
}

describe('a load', () => {
  it('leaves each key with its last row of the file, whatever the site does', async () => {
    const keys = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1, maxLength: 24 });
    await fc.assert(
      fc.asyncProperty(
        keys,
        fc.integer({ min: 1, max: 3 }),
        fc.array(anything, { maxLength: 8 }),
        async (some, batchRows, script) => {
          await using site = await ScriptedSite.start();
          await using db = await connect([site.url]);
          site.script = script;
          const lines = some.map((k, n) => JSON.stringify({ k, n }));
          const load = { db, keyspace: 'travel', table: 'things', source: linesSource('f', lines), key: KEY };
          const { accepted } = await loadRows({ ...load, batchRows, inFlight: 4 });
          expect(accepted).toBe(lines.length);
          for (const k of new Set(some)) {
            expect(site.rows.get(JSON.stringify([k])), k).toMatchObject({ k, n: some.lastIndexOf(k) });
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('batches in key order', () => {
  it('wait for those before them that hold one of their keys, and for no other', async () => {
    const ready: number[] = [];
    const settle: (() => void)[] = [];
    for await (const { batch, before, settled } of inKeyOrder(
      batchesOf([['a', 'b'], ['c'], ['b', 'd'], ['c', 'd']]),
      KEY,
    )) {
      void before.then(() => ready.push(batch));
      settle.push(settled);
    }
    const rest = () => new Promise((resolve) => setImmediate(resolve));
    await rest();
    expect(ready).toEqual([0, 1]);
    settle[1]!();
    await rest();
    expect(ready).toEqual([0, 1]);
    settle[0]!();
    await rest();
    expect(ready).toEqual([0, 1, 2]);
    settle[2]!();
    await rest();
    expect(ready).toEqual([0, 1, 2, 3]);
  });
});

describe('the key of a line', () => {
  it.each([
    ['string', ['"a"', '"\\u0061"'], '"b"'],
    ['string', ['"é"', '"\\u00e9"'], '"e"'],
    ['int', ['5', '5.0', '50e-1'], '6'],
    ['long', ['5', '"5"'], '"6"'],
    ['double', ['1', '1.0', '1e0', '10e-1'], '1.5'],
    [
      'timestamp',
      ['"2001-01-10T18:20:00Z"', '"2001-01-10T18:20Z"', '"2001-01-10T19:20:00+01:00"'],
      '"2001-01-10T18:21Z"',
    ],
    ['decimal(9,2)', ['1.5', '"1.50"', '"15e-1"'], '"1.51"'],
    ['bytes', ['{"$bytes":"/w=="}', '{"$bytes":"_w"}'], '{"$bytes":"/g=="}'],
    ['boolean', ['true', ' true'], 'false'],
  ])('of type %s is one for all spellings of a value', (type, same, other) => {
    const reader = new KeyReader([
      { name: 'k', type: parseColumnType(type) },
      { name: 's', type: parseColumnType('string') },
    ]);
    const keys = same.flatMap((value) => [
      `{"k":${value},"s":"x","note":"k"}`,
      `{"s" : "x", "k" :${value}}`,
      `{"k":null,"xk":7,"s":"x","k":${value}}`,
    ]);
    expect(new Set(keys.map((line) => reader.keyOf(line))).size).toBe(1);
    expect(reader.keyOf(`{"k":${other},"s":"x"}`)).not.toBe(reader.keyOf(keys[0]!));
    for (const line of ['no row', 'null', '5', '[]', '{"k":']) expect(typeof reader.keyOf(line)).toBe('number');
  });
});
