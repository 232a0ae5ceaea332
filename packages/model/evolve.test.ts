import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDynamicColumn, evolve } from './evolve.ts';
import { formatKeyspaceFile, type KeyspaceFile, parseKeyspaceFile } from './keyspace-file.ts';
import { columnNamed, type Keyspace, type Table, tableNamed } from './table.ts';

const COLUMNS = { origin: 'string', date: 'timestamp', delay: 'int' } as const;
type Change = { columns?: Record<string, unknown>; table?: Record<string, unknown>; file?: Record<string, unknown> };

function file(change: Change = {}): KeyspaceFile {
  return parseKeyspaceFile({
    keyspace: 'travel',
    primary: 'paris',
    ack: 'sync(1)',
    sites: { paris: 'data', tokyo: 'data' },
    tables: {
      flights: {
        columns: change.columns ?? COLUMNS,
        partitionKey: 'origin',
        sortKey: ['date'],
        ...change.table,
      },
    },
    ...change.file,
  });
}
const stored = (change: Change = {}): Keyspace => evolve(null, file(change)).keyspace;
const flights = (keyspace: Keyspace): Table => tableNamed(keyspace, 'flights');
const idsOf = (keyspace: Keyspace): Record<string, number> =>
  Object.fromEntries(flights(keyspace).columns.map((c) => [c.name, c.id]));

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isFault(error, 'invalid')) return error.message;
    throw error;
  }
  return 'no fault';
}
const after = (change: Change, from = stored()): Keyspace => evolve(from, file(change)).keyspace;

describe('evolve', () => {
  it('creates version 1 with ids and site numbers in the order of the file', () => {
    const keyspace = stored();
    expect(keyspace).toMatchObject({ version: 1, partitions: 8, failover: 'automatic', ack: { name: 'sync', k: 1 } });
    expect(keyspace.sites.map((s) => [s.name, s.number])).toEqual([
      ['paris', 1],
      ['tokyo', 2],
    ]);
    expect(flights(keyspace)).toMatchObject({ id: 1, key: [1, 2], dynamicColumnsMax: 0 });
    expect(idsOf(keyspace)).toEqual({ origin: 1, date: 2, delay: 3 });
  });

  it('leaves everything as it is, version and all, when the file says nothing new', () => {
    const keyspace = stored();
    expect(evolve(keyspace, file())).toEqual({ keyspace, changes: [] });
    expect(evolve(keyspace, formatKeyspaceFile(keyspace))).toEqual({ keyspace, changes: [] });
  });

  it('adds a column and a table, one version later', () => {
    const before = file({ columns: { ...COLUMNS, line: 'int' } });
    const tables = { ...before.tables, bags: { columns: { tag: 'string' }, partitionKey: 'tag' } };
    const { keyspace, changes } = evolve(stored(), { ...before, tables });
    expect(keyspace.version).toBe(2);
    expect(idsOf(keyspace).line).toBe(4);
    expect(tableNamed(keyspace, 'bags').id).toBe(2);
    expect(changes).toEqual(['table flights: column line int added', 'table bags: created']);
  });

  it('renames a column without changing its id, and the same file again changes nothing', () => {
    const columns = { origin: 'string', date: 'timestamp', late: { type: 'long', renamedFrom: 'delay' } };
    const keyspace = after({ columns });
    expect(idsOf(keyspace)).toEqual({ origin: 1, date: 2, late: 3 });
    expect(columnNamed(flights(keyspace), 'late')?.type).toEqual({ name: 'long' });
    expect(evolve(keyspace, file({ columns })).changes).toEqual([]);
  });

  it('renames a key column and still has the same key', () => {
    const columns = { from: { type: 'string', renamedFrom: 'origin' }, date: 'timestamp', delay: 'int' };
    expect(flights(after({ columns, table: { partitionKey: 'from' } })).key).toEqual([1, 2]);
  });

  it('never gives the id of a dropped column to another', () => {
    const dropped = after({ columns: { ...COLUMNS, delay: { dropped: true } } });
    expect(formatKeyspaceFile(dropped).tables.flights!.columns).not.toHaveProperty('delay');
    const again = after({ columns: { ...COLUMNS, delay: 'string' } }, dropped);
    expect(columnNamed(flights(again), 'delay')).toMatchObject({ id: 4, type: { name: 'string' } });
    expect(evolve(dropped, file({ columns: { ...COLUMNS, delay: { dropped: true } } })).changes).toEqual([]);
  });

  it.each([
    ['another partition count', { file: { partitions: 16 } }, /partitions: stored 8, wanted 16/],
    ['another primary', { file: { primary: 'tokyo' } }, /primary: stored paris, wanted tokyo.*switchover/],
    ['another ack level', { file: { ack: 'local' } }, /ack: stored sync\(1\), wanted local/],
    ['another name', { file: { keyspace: 'journey' } }, /name: stored travel, wanted journey/],
    ['a site gone', { file: { sites: { paris: 'data', quito: 'data' } } }, /site tokyo: stored data, wanted nothing/],
    [
      'one more site',
      { file: { sites: { paris: 'data', tokyo: 'data', tokio: 'witness' } } },
      /site tokio: stored nothing, wanted witness: .*fixed at creation.*\(nearest: tokyo\)/,
    ],
    ['a site in another role', { file: { sites: { paris: 'data', tokyo: 'witness' }, ack: 'local' } }, /./],
    ['a table gone', { file: { tables: {} } }, /table flights: stored here, wanted not in the file/],
    ['another key', { table: { sortKey: [] } }, /key: stored origin, date, wanted origin/],
    ['a key in another order', { table: { partitionKey: 'date', sortKey: ['origin'] } }, /wanted date, origin/],
    [
      'a key column of another type',
      { columns: { ...COLUMNS, origin: 'bytes' } },
      /origin: stored string, wanted bytes/,
    ],
    ['a narrower type', { columns: { ...COLUMNS, delay: 'boolean' } }, /delay: stored int, wanted boolean/],
    [
      'a column left out',
      { columns: { origin: 'string', date: 'timestamp' } },
      /column delay: .*not in the file.*dropped/,
    ],
    [
      'a rename of nothing',
      { columns: { ...COLUMNS, late: { type: 'int', renamedFrom: 'dely' } } },
      /no column "dely" \(nearest: delay\)/,
    ],
    [
      'a rename onto another',
      { columns: { ...COLUMNS, delay: { type: 'timestamp', renamedFrom: 'date' } } },
      /stored date, wanted delay/,
    ],
    [
      'a name given away and used again at once',
      { columns: { ...COLUMNS, late: { type: 'int', renamedFrom: 'delay' } } },
      /column delay: stored one column, wanted two columns/,
    ],
    ['a drop of nothing', { columns: { ...COLUMNS, x: { dropped: true } } }, /no column "x"/],
  ] as [string, Change, RegExp][])('refuses %s, naming both', (_, change, message) => {
    expect(refusal(() => after(change))).toMatch(message);
  });

  it('refuses long → int, and int → long in the key', () => {
    const long = after({ columns: { ...COLUMNS, delay: 'long' } });
    expect(refusal(() => after({}, long))).toMatch(/delay: stored long, wanted int/);
    const text = stored({ columns: { ...COLUMNS, delay: 'string' } });
    expect(refusal(() => after({ columns: { ...COLUMNS, delay: 'long' } }, text))).toMatch(
      /stored string, wanted long/,
    );
    expect(refusal(() => after({ columns: { ...COLUMNS, delay: 'double' } }))).toMatch(/stored int, wanted double/);
    const table = { partitionKey: 'delay', sortKey: [] };
    const keyed = stored({ table });
    expect(refusal(() => after({ table, columns: { ...COLUMNS, delay: 'long' } }, keyed))).toMatch(/key is fixed/);
  });

  it('turns dynamic columns on, and never down', () => {
    const on = after({ table: { dynamicColumns: { max: 4 } } });
    expect(flights(on).dynamicColumnsMax).toBe(4);
    expect(after({}, on)).toBe(on);
    expect(refusal(() => after({ table: { dynamicColumns: null } }, on))).toMatch(/max: stored 4, wanted 0/);
  });

  it('whatever happens, no id is given twice and the version rises by one with each change', () => {
    const names = ['a', 'b', 'c', 'd'];
    const step = fc.record({ name: fc.constantFrom(...names), type: fc.constantFrom('int', 'string', null) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let keyspace = stored();
        const born = new Map<number, string>();
        for (const { name, type } of steps) {
          const shown = formatKeyspaceFile(keyspace);
          const column = type === null ? { dropped: true as const } : type;
          shown.tables.flights!.columns[name] = column;
          if (refusal(() => evolve(keyspace, shown)) !== 'no fault') continue;
          const { keyspace: next, changes } = evolve(keyspace, shown);
          expect(next.version - keyspace.version).toBe(Math.min(1, changes.length));
          keyspace = next;
          for (const c of flights(keyspace).columns) {
            expect(born.get(c.id) ?? c.name).toBe(c.name);
            born.set(c.id, c.name);
          }
          const ids = flights(keyspace).columns.map((c) => c.id);
          expect(new Set(ids).size).toBe(ids.length);
          expect([...born.keys()].every((id) => ids.includes(id))).toBe(true);
        }
      }),
    );
  });
});

describe('dynamic columns', () => {
  const open = stored({ table: { dynamicColumns: { max: 2 } } });

  it('come into being one version later, with an id of their own', () => {
    const grown = addDynamicColumn(open, 'flights', 'gate', { name: 'string' });
    expect(grown.version).toBe(2);
    expect(columnNamed(flights(grown), 'gate')).toEqual({
      id: 4,
      name: 'gate',
      type: { name: 'string' },
      dropped: false,
      dynamic: true,
    });
  });

  it('are never more than the table allows', () => {
    const full = ['x', 'y'].reduce((k, name) => addDynamicColumn(k, 'flights', name, { name: 'double' }), open);
    expect(refusal(() => addDynamicColumn(full, 'flights', 'z', { name: 'double' }))).toMatch(/column 3, at most 2/);
    expect(refusal(() => addDynamicColumn(stored(), 'flights', 'z', { name: 'double' }))).toMatch(
      /column 1, at most 0/,
    );
  });

  it('need not stand in the file, and may', () => {
    const grown = addDynamicColumn(open, 'flights', 'gate', { name: 'string' });
    expect(evolve(grown, file()).changes).toEqual([]);
    expect(evolve(grown, formatKeyspaceFile(grown)).changes).toEqual([]);
    expect(evolve(grown, file({ columns: { ...COLUMNS, gate: { dropped: true } } })).changes).toHaveLength(1);
  });

  it('have names as any column', () => {
    expect(refusal(() => addDynamicColumn(open, 'flights', '$x', { name: 'double' }))).toMatch(/begin with \$/);
    expect(refusal(() => addDynamicColumn(open, 'flights', 'delay', { name: 'double' }))).toMatch(/"delay" already/);
  });
});
