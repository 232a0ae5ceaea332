/**
 * Column files that are damaged while their site runs or before it starts, on real files and over HTTP: until they are built
 * again, no read is answered from them, and the site says so, with the file and what is wrong with it.
 */

import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '@tidemark/log/log';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { get, HttpSite, job, type Served } from './testing/http-harness.ts';
import { sampleKeyspace } from './testing/log-maker.ts';

const KEYS = Array.from({ length: 40 }, (_, n) => `k${n}`);
/** Of `w` the cells are in the file that such columns share. */
const PLAIN = sampleKeyspace();
const KEYSPACE: typeof PLAIN = {
  ...PLAIN,
  tables: PLAIN.tables.map((table) => ({
    ...table,
    columns: table.columns.map((column) => (column.name === 'w' ? { ...column, dynamic: true } : column)),
  })),
};
const REPLAY = { kind: 'replay', keyspace: 'ks', table: 't', into: 's' };

let site: HttpSite;
beforeEach(async () => {
  site = await HttpSite.make();
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
  await rm(`${site.folder}.whole`, { recursive: true, force: true });
});

/** The site's log, of which nothing is read until it is let go. */
function heldLog(log: Log): { readonly log: Log; readonly go: () => void } & Disposable {
  const { promise, resolve } = Promise.withResolvers<void>();
  const read: Log['read'] = async function* (options) {
    await promise;
    yield* log.read(options);
  };
  const held = new Proxy(log, {
    get: (target, name) => {
      if (name === 'read') return read;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { log: held, go: resolve, [Symbol.dispose]: resolve };
}

/** Every row as it is read, or the statuses and words of refusals. */
async function all(app: FastifyInstance, table = 't'): Promise<{ rows: string; refused: string[] }> {
  const answers: Awaited<ReturnType<typeof get>>[] = [];
  for (const key of KEYS) answers.push(await get(app, `/v1/ks/${table}/rows/${key}`));
  const refused = answers.filter(({ status }) => status !== 200 && status !== 404);
  return {
    rows: JSON.stringify(answers.map(({ status, json }) => (status === 200 ? json : null))),
    refused: [...new Set(refused.map(({ status, json }) => `${status} ${json.detail}`))],
  };
}

/** Rows, deletions and newer rows of the same keys in several segments; rows of a scratch table. @returns what is read */
async function fill(): Promise<string> {
  const served = await site.serve({}, KEYSPACE);
  for (const round of [0, 1, 2]) {
    const rows = KEYS.filter((_, n) => n % (round + 1) === 0).map((k, n) => ({ k, v: n * 10 + round, w: `w${round}` }));
    await get(served.app, '/v1/ks/t/rows/none', await site.write(...rows));
    await served.service.flush();
  }
  expect(await job(served.app, REPLAY)).toMatchObject({ state: 'done' });
  const { rows, refused } = await all(served.app);
  expect(refused).toEqual([]);
  await served[Symbol.asyncDispose]();
  await cp(site.folder, `${site.folder}.whole`, { recursive: true });
  return rows;
}

/** All files of a table, by kind. */
async function filesOf(table: string): Promise<Map<string, string[]>> {
  const folder = join(site.folder, 'ks', table);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(site.folder.length + 1));
  return Map.groupBy(files.sort(), (path) => path.replace(/^.*\//, '').replace(/\d+/g, '#'));
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(join(site.folder, path));
  bytes[Math.floor(bytes.length * at)]! ^= 0x20;
  await writeFile(join(site.folder, path), bytes);
}

/** Until all is read again as it was; the test's own time-out is the limit. */
async function whole(served: Served, rows: string): Promise<void> {
  for (;;) {
    if (served.service.refusals().length === 0 && (await all(served.app)).rows === rows) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The site's folder as it was. */
async function restore(): Promise<void> {
  await rm(site.folder, { recursive: true });
  await cp(`${site.folder}.whole`, site.folder, { recursive: true });
}

describe('a damaged column file', () => {
  it('of any kind is named while nothing is read, also by /readyz and status, until it is built again', async () => {
    const rows = await fill();
    const kinds = await filesOf('t');
    expect([...kinds.keys()]).toContain('cells.col');
    const told = new Set<string>();
    for (const [kind, paths] of kinds) {
      for (const at of [0.02, 0.5, 0.98]) {
        await restore();
        const path = paths.at(-1)!;
        await flip(path, at);
        const held = heldLog(site.log);
        await using served = await site.serve({ log: held.log }, KEYSPACE);
        // A log that is held keeps its reader from ending.
        using _held = held;
        for (let turn = 0; turn < 3; turn++) {
          const { rows: read, refused } = await all(served.app);
          const refusals = served.service.refusals();
          if (refused.length === 0) {
            // What is answered is right, and then the site finds nothing wrong with itself.
            expect([path, at, read, refusals]).toEqual([path, at, rows, []]);
            continue;
          }
          told.add(kind);
          expect([path, at, refusals.length]).toEqual([path, at, 1]);
          for (const words of [...refused, ...refusals]) expect(words).toContain(path.split('/').slice(0, 3).join('/'));
        }
        held.go();
        await whole(served, rows);
      }
    }
    // Single rows are found without their flags, which merges read.
    expect([...told].sort()).toEqual([...kinds.keys()].filter((kind) => kind !== 'flags.col').sort());
  }, 60_000);

  it('is not forgotten when the note of the rebuild is lost in its midst', async () => {
    const rows = await fill();
    const path = [...(await filesOf('t')).get('key.col')!].at(-1)!;
    await flip(path, 0.5);
    const refused = [expect.stringContaining('keyspace ks is being built again here')];
    {
      const held = heldLog(site.log);
      await using served = await site.serve({ log: held.log }, KEYSPACE);
      // A log that is held keeps its reader from ending.
      using _held = held;
      await all(served.app);
      expect((await all(served.app)).refused).toEqual(refused);
      await rm(`${site.folder}.whole`, { recursive: true });
      await cp(site.folder, `${site.folder}.whole`, { recursive: true });
      held.go();
    }
    await restore();
    await rm(join(site.folder, 'checkpoints/applier/ks.rebuild.json'));
    const held = heldLog(site.log);
    await using served = await site.serve({ log: held.log }, KEYSPACE);
    // A log that is held keeps its reader from ending.
    using _held = held;
    expect((await all(served.app)).refused).toEqual(refused);
    held.go();
    await whole(served, rows);
  });

  it('of a scratch table takes that table away, and nothing else', async () => {
    const rows = await fill();
    for (const [kind, paths] of await filesOf('s.scratch')) {
      await restore();
      const path = paths.at(-1)!;
      await flip(path, 0.5);
      await using served = await site.serve({}, KEYSPACE);
      const first = await all(served.app, 's');
      // All of its rows, or none.
      if (first.refused.length === 0 && first.rows === rows) continue;
      for (const words of first.refused)
        expect([kind, words]).toEqual([kind, expect.stringContaining('ks/s.scratch/')]);
      await whole(served, rows);
      expect((await get(served.app, '/v1/ks/s/rows/k0')).json).toMatchObject({ kind: 'notFound' });
      expect(await job(served.app, REPLAY)).toMatchObject({ state: 'done' });
      expect(await all(served.app, 's')).toEqual({ rows, refused: [] });
    }
  }, 60_000);

  it('of a scratch table that is gone leaves no empty table, whatever an older list says', async () => {
    await fill();
    await rm(join(site.folder, 'ks/s.scratch'), { recursive: true });
    for (let turn = 0; turn < 2; turn++) {
      await using served = await site.serve({}, KEYSPACE);
      expect(await get(served.app, '/v1/ks/s/rows/k0')).toMatchObject({ status: 404, json: { kind: 'notFound' } });
    }
  });
});
