/** What a person types becomes what a site takes, or is refused naming the word. */

import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { parseQuery, planQuery } from '@tidemark/model/query';
import { tableNamed } from '@tidemark/model/table';
import { FAULT_MEANINGS, Fault, type FaultKind } from '@tidemark/platform/fault';
import { describe, expect, test } from 'vitest';
import { EXIT, exitCodeOf } from '../exit-code.ts';
import { durationMs, siteUrls } from '../invocation.ts';
import { factsInWords } from '../job.ts';
import { FLIGHTS_TABLE } from '../load/flights.ts';
import { LiveScreen } from './live-screen.ts';
import { Output, textTable } from './output.ts';
import { keyFromWords, rowFromWords } from './row-words.ts';
import { queryFromWords } from './scan-words.ts';
import { liveStatus, type Status } from './status-words.ts';

const file = {
  keyspace: 'travel',
  primary: 'paris',
  ack: 'local',
  sites: { paris: 'data' },
  tables: { flights: FLIGHTS_TABLE },
};
const flights = tableNamed(evolve(null, parseKeyspaceFile(file)).keyspace, 'flights');

const ODD = {
  columns: { k: 'string', n: 'int', 'a, b': 'int', in: 'int', 'say "hi"=': 'int', at: 'timestamp' },
  partitionKey: 'k',
};

const oddTable = tableNamed(evolve(null, parseKeyspaceFile({ ...file, tables: { odd: ODD } })).keyspace, 'odd');

describe('a row', () => {
  test('is its key parts in order, then column=value, each as its column takes it', () => {
    expect(rowFromWords(flights, ['SAN', '2001-01-10T18:20Z', 'LAX', '1', 'delay=-5', 'note=a=b'])).toEqual({
      origin: 'SAN',
      date: '2001-01-10T18:20:00Z',
      destination: 'LAX',
      line: 1,
      delay: -5,
      note: 'a=b',
    });
  });

  test('has columns whose names have a sign in them in quotes', () => {
    expect(rowFromWords(oddTable, ['x', 'a, b=1', '"say ""hi""="=2'])).toEqual({ k: 'x', 'a, b': 1, 'say "hi"=': 2 });
  });

  test('names each column once, those of the key in front', () => {
    expect(() => rowFromWords(oddTable, ['x', 'k=y'])).toThrow('column "k" comes twice: got "k=y" beside "x"');
    expect(() => rowFromWords(oddTable, ['x', 'n=1', 'n=2'])).toThrow('column "n" comes twice');
  });

  test('with a part that is missing, or no value of its column, is refused by name', () => {
    expect(() => keyFromWords(flights, ['SAN'])).toThrow(/got 1 key parts, expected 4: origin date destination line/);
    expect(() => rowFromWords(flights, ['SAN', 'today', 'LAX', '1'])).toThrow(/column date: got "today", expected/);
    expect(() => rowFromWords(flights, ['SAN', '2001-01-10T18:20Z', 'LAX', '1', 'delay'])).toThrow(
      /"delay", expected column=value/,
    );
  });
});

describe('a scan', () => {
  test('in words is the query of the contract', () => {
    const words = {
      select: 'origin,avg(delay) as late,count(*) as n',
      where: ['distance>500', 'origin in SAN,LAX'],
      groupBy: 'origin',
      orderBy: 'late desc',
      limit: 20,
    };
    expect(queryFromWords(flights, words)).toEqual({
      select: ['origin', { avg: 'delay', as: 'late' }, { count: '*', as: 'n' }],
      where: [
        ['distance', '>', 500],
        ['origin', 'in', ['SAN', 'LAX']],
      ],
      groupBy: ['origin'],
      orderBy: [['late', 'desc']],
      limit: 20,
    });
  });

  test('every aggregate in words is one that a site knows', () => {
    const select =
      'count(*),sum(delay),avg(delay),min(origin),max(line),countdistinct(origin),countDistinctApprox(origin) as n';
    const query = queryFromWords(flights, { select: `${select},quantile(delay 0.9) as slow,quantile(line 0.5)` });
    expect(query.select?.slice(5)).toEqual([
      { countDistinct: 'origin', as: 'countDistinct(origin)' },
      { countDistinctApprox: 'origin', as: 'n' },
      { quantile: 'delay', at: 0.9, as: 'slow' },
      { quantile: 'line', at: 0.5, as: 'quantile(line 0.5)' },
    ]);
    expect(planQuery(flights, parseQuery(query)).outputs).toHaveLength(9);
  });

  test('every operator in words is one that a site knows', () => {
    const where = [
      'delay>=1',
      'delay != 2',
      'line between 1,5',
      'origin prefix S',
      'delay is-null',
      'delay IS-NOT-NULL',
    ];
    const query = parseQuery(queryFromWords(flights, { where, select: 'max(delay)' }));
    expect(planQuery(flights, query).filter).toMatchObject({ parts: { length: 6 } });
  });

  describe('understands quotes', () => {
    const odd = oddTable;

    test.each([
      ["k='X'", ['k', '=', 'X']],
      ["k = 'it''s, or not'", ['k', '=', "it's, or not"]],
      ["k=''", ['k', '=', '']],
      ['k=', ['k', '=', '']],
      ["k='  x '", ['k', '=', '  x ']],
      ['k=  x ', ['k', '=', '  x ']],
      ['k =  x ', ['k', '=', 'x']],
      ["k=rock'n'roll", ['k', '=', "rock'n'roll"]],
      ["k='this and that'", ['k', '=', 'this and that']],
      ["k <> 'X'", ['k', '!=', 'X']],
      ["k=='X'", ['k', '=', 'X']],
      ["k in ('A, B', 'C''s', D)", ['k', 'in', ['A, B', "C's", 'D']]],
      ["k in('A','')", ['k', 'in', ['A', '']]],
      ["k between 'a' and 'b, c'", ['k', 'between', ['a', 'b, c']]],
      ["k prefix ' x'", ['k', 'prefix', ' x']],
      ['k is not null', ['k', 'is-not-null']],
      ['"a, b" > 5', ['a, b', '>', 5]],
      ['"a, b"=\'5\'', ['a, b', '=', 5]],
      ['"in" in 1,2', ['in', 'in', [1, 2]]],
      ['"say ""hi""=" is null', ['say "hi"=', 'is-null']],
      ["at >= '2001-01-10T18:20Z'", ['at', '>=', '2001-01-10T18:20:00Z']],
      ['n=-5', ['n', '=', -5]],
      ['n = -5 ', ['n', '=', -5]],
    ])('--where %s', (where, expected) => {
      expect(queryFromWords(odd, { where: [where] }).where).toEqual([expected]);
    });

    test.each(["k='X", "k='X' and n>5", 'k="X"', 'k=a and n>5', "k='a'b", "n='5", "k in ('a', 'b"])(
      '--where %s is refused with a way to say it',
      (where) => {
        expect(() => queryFromWords(odd, { where: [where] })).toThrow(/--where ".*", expected .*/);
      },
    );

    test('in all other lists of names', () => {
      const words = {
        select: 'k,"a, b",sum("a, b") as "the sum, all",max("in"),quantile("a, b" 0.5)',
        groupBy: 'k,"a, b"',
        orderBy: '"the sum, all" desc,"in" , k asc',
      };
      expect(queryFromWords(odd, words)).toEqual({
        select: [
          'k',
          'a, b',
          { sum: 'a, b', as: 'the sum, all' },
          { max: 'in', as: 'max(in)' },
          { quantile: 'a, b', at: 0.5, as: 'quantile(a, b 0.5)' },
        ],
        groupBy: ['k', 'a, b'],
        orderBy: [
          ['the sum, all', 'desc'],
          ['in', 'asc'],
          ['k', 'asc'],
        ],
      });
    });
  });

  test('of a column that is not there names the nearest; of no condition says how one looks', () => {
    expect(() => queryFromWords(flights, { where: ['dealy>5'] })).toThrow(/no column "dealy" \(nearest: delay\)/);
    expect(() => queryFromWords(flights, { where: ['delay'] })).toThrow(/--where "delay", expected a condition like/);
    expect(() => queryFromWords(flights, { select: 'sum(*)' })).toThrow(/--select "sum\(\*\)"/);
  });
});

test("a job's verdicts are words", () => {
  expect(factsInWords({ verdicts: { ACCEPT: 3, DUPLICATE: 1 }, rowsApplied: 3 })).toBe(
    'verdicts accept 3, duplicate 1, rows applied 3',
  );
});

test('each kind of fault has its exit code, one of those that are promised, and a bug has 1', () => {
  const promised = new Set<number>(Object.values(EXIT));
  for (const [kind, { exitCode }] of Object.entries(FAULT_MEANINGS)) {
    expect(exitCodeOf(new Fault(kind as FaultKind, 'x')), kind).toBe(exitCode);
    expect(promised.has(exitCode), kind).toBe(true);
  }
  const named = (['invalid', 'notFound', 'fenced', 'notLeader', 'unavailable', 'unknown', 'corrupt'] as const).map(
    (kind) => exitCodeOf(new Fault(kind, 'x')),
  );
  expect(named).toEqual([
    EXIT.usage,
    EXIT.usage,
    EXIT.refused,
    EXIT.unavailable,
    EXIT.unavailable,
    EXIT.unavailable,
    EXIT.failed,
  ]);
  expect(exitCodeOf(new Error('x'))).toBe(1);
});

test('sites are those of --site, else of TIDEMARK_URL, else the default', () => {
  const env = { TIDEMARK_URL: 'http://a:1, http://b:2' };
  expect(siteUrls({ site: 'http://c:3' }, env)).toEqual(['http://c:3']);
  expect(siteUrls({ site: 'tokyo' }, env)).toEqual(['http://a:1', 'http://b:2']);
  expect(siteUrls({}, {})).toEqual(['http://127.0.0.1:7410']);
});

test('durations have a unit, or are seconds', () => {
  expect(['500ms', '30s', '2m', '1.5', '1h'].map(durationMs)).toEqual([500, 30_000, 120_000, 1_500, 3_600_000]);
  expect(() => durationMs('soon')).toThrow(/got "soon", expected a duration/);
});

describe('output', () => {
  function captured(isTTY: boolean) {
    const text = { out: '', err: '' };
    const output = new Output(
      false,
      { write: (piece: string) => (text.out += piece) },
      { write: (piece: string) => (text.err += piece), isTTY },
    );
    return { text, output };
  }

  test('results go to standard output; progress to standard error, as a line now and then or as a bar', () => {
    const plain = captured(false);
    plain.output.progress('10 rows', 0.5, 0);
    plain.output.progress('11 rows', 0.5, 100);
    plain.output.result({}, 'done');
    expect(plain.text).toEqual({ out: 'done\n', err: '10 rows\n' });
    const terminal = captured(true);
    terminal.output.progress('10 rows', 0.5, 0);
    terminal.output.progress('11 rows', 0.5, 200);
    expect(terminal.text.err.match(/█/g)).toHaveLength(24);
  });

  test('a control character in a cell does not reach the terminal', () => {
    expect(textTable(['k'], [['a\u001b[2Jb']])).toContain('a\\x1b[2Jb');
  });
});

describe('a live table', () => {
  const at = (site: string, state: string, reason: string | null) => ({
    ...{ site, state, reason, url: null, roles: [], beatAgeSeconds: 0.4, loopLagMs: 1 },
  });
  const origin = { origin: 'tokyo', lagSeconds: 0.2, lagState: 'live', behindRecords: 3, alarmed: 0, stopped: [] };
  const status: Status = {
    ...{ cluster: 'c', site: 'quito' },
    sites: [at('paris', 'unknown', 'no heartbeat for 4 s'), at('tokyo', 'alive', null), at('quito', 'alive', null)],
    keyspaces: [
      {
        ...{ keyspace: 'travel', version: 1, ack: 'sync(1)', ackLowered: null, primary: 'tokyo', epoch: 2 },
        sites: ['paris', 'tokyo', 'quito'].map((site) => ({ site, role: 'data', phase: 'running', origins: [origin] })),
      },
    ],
  };

  test('has a line for each site, with who writes, who is behind and who is not heard', () => {
    const lines = liveStatus(status, new Date(0)).split('\n').slice(4);
    expect(lines[0]).toMatch(/^travel +paris +replica +unknown .*no heartbeat for 4 s$/);
    expect(lines[1]).toMatch(/^travel +tokyo +PRIMARY +alive +2 /);
    expect(lines[2]).toMatch(/^travel +quito +replica +alive +0.2 +3 +0.4$/);
  });

  test('is drawn over itself, cut to the terminal, and gives the terminal back', () => {
    const written: string[] = [];
    {
      using screen = new LiveScreen({ write: (text) => written.push(text), columns: 4, rows: 3 });
      screen.draw('abcdef\ngh\nij');
    }
    expect(written[1]).toBe('\u001b[Habcd\u001b[K\ngh\u001b[K\n\u001b[J');
    expect([written[0], written[2]]).toEqual(['\u001b[?1049h\u001b[?25l', '\u001b[?25h\u001b[?1049l']);
  });
});
