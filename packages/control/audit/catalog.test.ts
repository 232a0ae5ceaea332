import type { Keyspace } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Catalog,
  controlRecordOf,
  type Definition,
  definitionOf,
  EMPTY_CATALOG,
  learn,
  readControlRecord,
} from './catalog.ts';

function keyspaceNamed(name: string, partitions: number): Keyspace {
  return travelKeyspace({ keyspace: name, partitions });
}

/** Few names, few shapes, few moments: definitions that collide. */
const definitions: fc.Arbitrary<Definition> = fc
  .tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 10, max: 13 }))
  .map(([name, partitions, ms]) => definitionOf(keyspaceNamed(name, partitions), ms));

const LOG = { cluster: 'c', origin: 'paris' };

/** As JSON, the order of names included. */
function shown(catalog: Catalog): string {
  return JSON.stringify([...catalog]);
}

function learnAll(all: readonly Definition[]): Catalog {
  return all.reduce(learn, EMPTY_CATALOG);
}

describe('catalog', () => {
  it('is the same in whatever order the control logs are read, and however often', () => {
    const shuffled = fc.array(definitions, { maxLength: 8 }).chain((all) => {
      const anew = fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length });
      return fc.tuple(fc.constant(all), anew);
    });
    fc.assert(
      fc.property(shuffled, ([all, again]) => {
        expect(shown(learnAll(again))).toBe(shown(learnAll(all)));
      }),
    );
  });

  it('holds to the definition that came first, and keeps the other in sight', () => {
    for (const [older, newer] of [
      [4, 8],
      [8, 4],
    ] as const) {
      const [first, second] = [
        definitionOf(keyspaceNamed('a', older), 10),
        definitionOf(keyspaceNamed('a', newer), 11),
      ];
      const catalog = learnAll([second, first]);
      expect(catalog.get('a')!.map(({ keyspace }) => keyspace.partitions)).toEqual([older, newer]);
    }
  });

  it('counts a copy in another site’s control log as the same definition', () => {
    fc.assert(
      fc.property(definitions, (definition) => {
        const copies = ['paris', 'tokyo'].map((origin) => {
          const read = readControlRecord(
            { cluster: 'c', origin },
            controlRecordOf({ cluster: 'c', origin }, definition),
          );
          return read.kind === 'definition' ? read.definition : null;
        });
        expect(copies).toEqual([definition, definition]);
      }),
    );
  });

  it('does not count a record of another cluster or site, or one with any bit flipped', () => {
    const record = controlRecordOf(LOG, definitionOf(keyspaceNamed('a', 4), 10));
    expect(readControlRecord({ ...LOG, cluster: 'd' }, record)).toMatchObject({ kind: 'ignored' });
    expect(readControlRecord({ ...LOG, origin: 'tokyo' }, record)).toMatchObject({ kind: 'ignored' });
    for (let at = 0; at < record.length; at++) {
      const flipped = Uint8Array.from(record);
      flipped[at]! ^= 1 << (at % 8);
      expect(readControlRecord(LOG, flipped), `byte ${at}`).toMatchObject({ kind: 'ignored' });
    }
  });
});
