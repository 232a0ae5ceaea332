/** The house keeps its laws: what was measured once and mended does not come back unseen. `npm run house -- --list` tells where. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { handedOn } from './handed-on.ts';
import { circlesOf, House } from './house.ts';

/** Code files in one folder, tests among them: the largest there is. */
const ROOM_FILES_MAX = 26;
/** Lines of one file of the product: the longest there is. It only ever falls. */
const FILE_LINES_MAX = 420;

/** Every file is read and its imports are followed: seconds, more on a busy machine. */
const READ_MS_MAX = 120_000;

describe('the house', () => {
  let house: House;
  beforeAll(() => {
    house = new House();
  }, READ_MS_MAX);

  it('has no file that imports itself by way of others, types included', () => {
    expect(house.circles()).toEqual([]);
  });

  it('has no file of the product that no entry comes to', () => {
    expect(house.unreached()).toEqual([]);
  });

  it(`has at most ${ROOM_FILES_MAX} code files in a folder`, () => {
    expect(house.rooms().filter(({ files }) => files > ROOM_FILES_MAX)).toEqual([]);
  });

  it(`has no file of more than ${FILE_LINES_MAX} lines`, () => {
    const long = house.own.filter(({ lines }) => lines > FILE_LINES_MAX);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  it('writes the addresses between sites down in one place', () => {
    const strangers = house.own.filter(({ path }) => !path.startsWith('packages/peer/'));
    const written = strangers.filter(({ texts }) => texts.some((text) => /\/v1\/internal|site:\/\//.test(text)));
    expect(written.map(({ path }) => path)).toEqual([]);
  });

  it('says of every exported name, above it, what it is', () => {
    expect(house.unexplained(), 'say what it is in /** … */ above it, or drop the export').toEqual([]);
  });

  it('gives nobody more than it needs itself, and what is handed on is named', () => {
    const given = house.own
      .map(({ path }) => ({ path, text: readFileSync(path, 'utf8') }))
      .filter(({ text }) => /[pP]arts\b/.test(text));
    const found = given.map(({ path, text }) => ({ path, wrong: handedOn(path, text) }));
    expect(found.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
    expect(given.filter(({ text }) => /type \w+Parts = \{/.test(text)).length).toBeGreaterThan(60);
  });

  it('takes turns, and waits with a deadline, in one way each', () => {
    const others = house.own.filter(({ path }) => !path.startsWith('packages/platform/sync/'));
    const text = ({ path }: { readonly path: string }): string => readFileSync(path, 'utf8');
    const lines = /this\.#\w+ = \w+\.catch\(\(\) => (\{\}|undefined)\)/;
    expect(others.filter((one) => lines.test(text(one))).map(({ path }) => `${path}: see sync/mutex.ts`)).toEqual([]);
    // Who takes a turn and does not let go keeps everybody out for ever.
    const held = others.flatMap((one) =>
      text(one)
        .split('\n')
        .filter((line) => line.includes('.lock()')),
    );
    expect(held.length).toBeGreaterThan(10);
    expect(
      held.filter((line) => !/^ +using _turn = await (this\.#)?\w+(\.of)?(\(.*\))?\.lock\(\);$/.test(line)),
    ).toEqual([]);
    const races = /Promise\.race\(\[[^\]]*(\.sleep\(|\blate\b)/;
    expect(others.filter((one) => races.test(text(one))).map(({ path }) => `${path}: see sync/deadline.ts`)).toEqual(
      [],
    );
  });

  it('is looked at as a whole', () => {
    expect(house.own.length).toBeGreaterThan(400);
    expect(house.entries()).toEqual(expect.arrayContaining(['packages/cli/tidemark.js', 'packages/client/client.ts']));
    // By a package's name, by a path, and by a URL for a thread.
    expect(house.importsOf('packages/cli/tidemark.js')).toEqual(['packages/cli/main.ts']);
    expect(house.importsOf('packages/cli/program.ts')).toEqual(['packages/cli/main.ts']);
    const routes = house.own.find(({ path }) => path === 'packages/peer/routes.ts');
    expect(routes?.texts).toContain('/v1/internal/');
    expect(house.importsOf('services/site/make-services.ts')).toContain('services/writer/writer-service.ts');
  });
});

describe('circles', () => {
  const of = (edges: Readonly<Record<string, readonly string[]>>): string[][] =>
    circlesOf(Object.keys(edges), (node) => edges[node] ?? []).sort();

  it('are the groups that come back to themselves, and nothing that only leads there', () => {
    expect(of({ a: ['b'], b: ['c'], c: [] })).toEqual([]);
    expect(of({ a: ['a'], b: ['a'] })).toEqual([['a']]);
    expect(of({ in: ['a'], a: ['b'], b: ['c'], c: ['a', 'out'], out: [] })).toEqual([['a', 'b', 'c']]);
    expect(of({ a: ['b'], b: ['a'], c: ['d', 'a'], d: ['c'] })).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    // Two ways to one place are no circle.
    expect(of({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] })).toEqual([]);
  });

  it('hold two nodes together exactly if each leads to the other', () => {
    const graphs = fc.array(fc.tuple(fc.nat(6), fc.nat(6)), { maxLength: 14 });
    fc.assert(
      fc.property(graphs, (edges) => {
        const nodes = ['0', '1', '2', '3', '4', '5', '6'];
        const next = (node: string): string[] => edges.filter(([a]) => String(a) === node).map(([, b]) => String(b));
        const leads = (from: string, to: string): boolean => {
          const seen = new Set(next(from));
          for (const node of seen) for (const more of next(node)) seen.add(more);
          return seen.has(to);
        };
        const circles = circlesOf(nodes, next);
        for (const a of nodes)
          for (const b of nodes) {
            const together = circles.some((circle) => circle.includes(a) && circle.includes(b));
            expect(together).toBe(leads(a, b) && leads(b, a));
          }
      }),
    );
  });
});
