import { isFault } from '@tidemark/platform/fault';
import { describe, expect, it } from 'vitest';
import { CONDITIONS_MAX, checkConditions, DEPTH_MAX, joinedParts, LISTED_MAX, NAMED_MAX } from './conditions.ts';
import type { Filter } from './filter.ts';
import { parseQuery } from './query.ts';

const nested = (depth: number): unknown => {
  let json: unknown = ['n', '=', 1];
  for (let i = 0; i < depth; i++) json = { not: json };
  return json;
};
const wordsOf = (work: () => unknown): string => {
  try {
    work();
    return 'nothing is wrong';
  } catch (error) {
    expect(isFault(error, 'invalid')).toBe(true);
    return (error as Error).message;
  }
};

describe('conditions of a scan', () => {
  it('are refused by name where they are too deep or too many, however deep or many', () => {
    const each = (count: number) => Array.from({ length: count }, (_, i) => ['n', '=', i]);
    expect(wordsOf(() => checkConditions([nested(DEPTH_MAX)]))).toBe('nothing is wrong');
    for (const depth of [DEPTH_MAX + 1, 6_000, 200_000]) {
      expect(wordsOf(() => parseQuery({ where: [nested(depth)] }))).toContain(`at most ${DEPTH_MAX}`);
    }
    expect(wordsOf(() => parseQuery({ where: [{ or: each(2_000) }] }))).toBe('nothing is wrong');
    expect(wordsOf(() => parseQuery({ where: [{ or: each(CONDITIONS_MAX + 1) }] }))).toContain('"in"');
    const many = ['n', 'in', Array.from({ length: LISTED_MAX + 1 }, (_, i) => i)];
    expect(wordsOf(() => parseQuery({ where: [many] }))).toBe(
      `scan where: values in lists are ${LISTED_MAX + 1}, at most ${LISTED_MAX}; ask in several scans`,
    );
    for (const odd of [null, 5, 'x', [null], [[]], { and: 3 }]) wordsOf(() => parseQuery({ where: odd }));
  });

  it('have beside them so many results, groups and orders, and both numbers are named', () => {
    for (const [name, max] of Object.entries(NAMED_MAX)) {
      const named = (count: number) => ({
        [name]: Array.from({ length: count }, (_, i) => (name === 'orderBy' ? [`c${i}`, 'asc'] : `c${i}`)),
      });
      expect(wordsOf(() => parseQuery(named(max)))).toBe('nothing is wrong');
      expect(wordsOf(() => parseQuery(named(max + 1)))).toBe(`scan ${name}: ${max + 1} are named, at most ${max}`);
    }
  });

  it('of one column that ask for equal values become one list', () => {
    const column = { id: 1, name: 'n', type: { name: 'int' } } as unknown as Extract<Filter, { kind: 'in' }>['column'];
    const other = { ...column, id: 2 };
    const is = (of: typeof column, operator: '=' | '!=' | '<', value: number) =>
      ({ kind: 'compare', column: of, operator, value }) as const;
    const list = { kind: 'in', column, values: [7, 8] } as const;
    expect(
      joinedParts('or', [is(column, '=', 1), is(other, '=', 5), list, is(column, '<', 0), is(column, '=', 2)]),
    ).toEqual([{ kind: 'in', column, values: [1, 7, 8, 2] }, is(other, '=', 5), is(column, '<', 0)]);
    expect(list.values).toEqual([7, 8]);
    expect(joinedParts('and', [is(column, '!=', 1), is(column, '!=', 2), is(column, '=', 3)])).toEqual([
      { kind: 'not', part: { kind: 'in', column, values: [1, 2] } },
      is(column, '=', 3),
    ]);
  });
});
