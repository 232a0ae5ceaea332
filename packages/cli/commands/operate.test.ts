/** The commands of an operator: what they ask of a site, what they print, and the exit code of every way it can end. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ScriptedSite } from '@tidemark/client/testing/scripted-site';
import { type Decision, NOTHING_ELSE } from '@tidemark/control/audit/decision';
import { describe, expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../tidemark.js', import.meta.url));

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

async function tidemark(urls: readonly string[], ...words: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...words], {
    env: { ...process.env, TIDEMARK_URL: urls.join(',') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (piece) => (out += String(piece)));
  child.stderr.on('data', (piece) => (err += String(piece)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

/** A site whose next job ends as told. */
async function jobSite(end: object): Promise<ScriptedSite> {
  const site = await ScriptedSite.start();
  site.routes.set('POST /v1/jobs', { status: 202, body: { id: 'j1' } });
  const lines = [
    { id: 'j1', state: 'running' },
    { id: 'j1', ...end },
  ];
  site.routes.set('GET /v1/jobs/j1', { status: 200, body: lines.map((line) => `${JSON.stringify(line)}\n`).join('') });
  return site;
}

const NOWHERE = 'http://127.0.0.1:1';

describe('a move of the primary', () => {
  test.each([
    [['switchover', '--to', 'tokyo'], { kind: 'switchover', keyspace: 'travel', to: 'tokyo', dryRun: false }],
    [
      ['failover', '--to', 'tokyo', '--accept-loss', '100', '--dry-run'],
      { kind: 'failover', keyspace: 'travel', to: 'tokyo', dryRun: true, acceptLoss: 100 },
    ],
    [
      ['failover', '--to', 'quito', '--keyspace', 'travel'],
      { kind: 'failover', keyspace: 'travel', to: 'quito', dryRun: false },
    ],
  ])('%j asks the site for it and prints what it says', async (words, job) => {
    const end = { state: 'done', outcome: 'done', epoch: 2, phases: [{ name: 'fencing', ms: 40 }], words: 'it moved' };
    await using site = await jobSite(end);
    const { code, out } = await tidemark([site.url], ...words, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject(end);
    expect(site.asked[0]).toEqual({ route: 'POST /v1/jobs', body: job });
    expect((await tidemark([site.url], ...words)).out).toMatch(/^it moved\n\nphase +ms\n─+ +─+\nfencing +40/);
  });

  test.each([
    ['that a rule refuses', { state: 'done', outcome: 'refused', words: 'quito is a witness' }, 3],
    ['that a newer owner stops', { state: 'failed', error: { kind: 'fenced', message: 'epoch 3 began' } }, 3],
    ['whose end nobody knows', { state: 'failed', error: { kind: 'unknown', message: 'no quorum answered' } }, 4],
    ['that the site stopped telling about', { state: 'running' }, 4],
    ['that failed', { state: 'failed', error: { kind: 'corrupt', message: 'seg-1' } }, 1],
  ])('%s', async (_what, end, exit) => {
    await using site = await jobSite(end);
    expect((await tidemark([site.url], 'switchover', '--to', 'quito')).code).toBe(exit);
  });

  test('is wrong usage without a target, with a loss that is no number, of no such keyspace, or of several', async () => {
    await using site = await jobSite({ state: 'done' });
    expect(await tidemark([site.url], 'switchover')).toMatchObject({ code: 2, err: /--to/ });
    const loss = await tidemark([site.url], 'failover', '--to', 'tokyo', '--accept-loss', 'some');
    expect(loss).toMatchObject({ code: 2, err: /got "some", expected a whole number from 0/ });
    const other = await tidemark([site.url], 'switchover', '--to', 'tokyo', '--keyspace', 'trips');
    expect(other).toMatchObject({ code: 2, err: /there is no keyspace "trips"/ });
    site.keyspaces = ['travel', 'trips'];
    const several = await tidemark([site.url], 'switchover', '--to', 'tokyo');
    expect(several).toMatchObject({ code: 2, err: /--keyspace with one of travel, trips/ });
    expect(site.asked).toEqual([]);
  });
});

describe('a return', () => {
  test('is asked of the site itself, and its tail is written out unless told otherwise', async () => {
    const end = { state: 'done', member: 'ACTIVE', kept: 10, exported: 3, divergentRecords: 2, hash: 'f00d' };
    await using site = await jobSite({ ...end, files: ['tails/travel/paris-1.ndjson'], cells: { lost: 3 } });
    const { code, out } = await tidemark([site.url], 'return', 'paris', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ kept: 10, exported: 3, hash: 'f00d' });
    expect(site.asked[0]!.body).toEqual({ kind: 'return', keyspace: 'travel', site: 'paris', tail: 'export' });
    const { out: words } = await tidemark([site.url], 'return', 'paris');
    expect(words).toMatch(
      /full member;.*10 rows of its own terms count\n2 records with 3 rows .* written to files.*f00d/,
    );
    expect(words).toMatch(/tails\/travel\/paris-1.ndjson\ntheir cells: 3 lost/);
  });

  test('that ends before the site is a member again is not done: exit 4', async () => {
    await using site = await jobSite({ state: 'done', member: 'RECOVERING', kept: 1, divergentRecords: 0 });
    const { code, out } = await tidemark([site.url], 'return', 'paris');
    expect({ code, out }).toMatchObject({ code: 4, out: expect.stringMatching(/not a full member yet/) });
  });

  test('throws nothing away unasked', async () => {
    await using site = await jobSite({ state: 'done' });
    const unasked = await tidemark([site.url], 'return', 'paris', '--tail', 'discard');
    expect(unasked).toMatchObject({ code: 2, err: /throw away what only paris has cannot be undone: say --yes/ });
    expect(site.asked).toEqual([]);
    expect((await tidemark([site.url], 'return', 'paris', '--tail', 'discard', '--yes')).code).toBe(0);
    expect(site.asked[0]!.body).toMatchObject({ tail: 'discard' });
  });
});

describe('watchdog', () => {
  test.each([
    ['pause', true],
    ['resume', false],
  ])('%s says so to the site', async (word, paused) => {
    await using site = await ScriptedSite.start();
    site.routes.set('POST /v1/watchdog/travel', { status: 200, body: { paused } });
    expect((await tidemark([site.url], 'watchdog', word)).code).toBe(0);
    expect(site.asked).toEqual([{ route: 'POST /v1/watchdog/travel', body: { paused } }]);
    expect(await tidemark([site.url], 'watchdog', 'stop')).toMatchObject({ code: 2, err: /expected pause or resume/ });
  });
});

describe('readmit', () => {
  test.each([
    ['is done', { outcome: 'done', version: 4 }, 0, /the vote of paris in travel counts again/],
    ['is refused', { outcome: 'refused', words: 'it counts already', remedy: 'wait' }, 3, /it counts already\n.*wait/],
  ])('%s, as the site says', async (_what, body, exit, words) => {
    await using site = await ScriptedSite.start();
    site.routes.set('POST /v1/watchdog/travel/readmit', { status: 200, body });
    const { code, out } = await tidemark([site.url], 'readmit', 'paris', '--yes');
    expect({ code, out }).toMatchObject({ code: exit, out: expect.stringMatching(words) });
    expect(site.asked).toEqual([{ route: 'POST /v1/watchdog/travel/readmit', body: { site: 'paris' } }]);
  });

  test('forgets no vote unasked', async () => {
    await using site = await ScriptedSite.start();
    expect(await tidemark([site.url], 'readmit', 'paris')).toMatchObject({ code: 2, err: /say --yes/ });
    expect(site.asked).toEqual([]);
  });
});

describe('verify', () => {
  const verdict = (word: string) => ({ partition: 0, column: 'delay', verdict: word });
  test.each([
    [['MATCH', 'MATCH'], 0],
    [['MATCH', 'DIVERGED'], 5],
    [['LAGGING', 'UNREACHABLE', 'MATCH'], 4],
    [['LAGGING', 'DIVERGED'], 5],
    [['SCHEMA'], 5],
  ])('%j: exit %i', async (words, exit) => {
    await using site = await jobSite({ state: 'done', verdicts: words.map(verdict) });
    const { code, out } = await tidemark([site.url], 'verify');
    expect(code).toBe(exit);
    const equal = words.filter((word) => word === 'MATCH').length;
    expect(out).toMatch(new RegExp(`^${equal} of ${words.length} compared are equal`));
    for (const word of words) if (word !== 'MATCH') expect(out).toContain(word);
  });
});

describe('explain', () => {
  const decision = (id: string, atMs: number, more: Partial<Decision> = {}): Decision => ({
    ...NOTHING_ELSE,
    ...{ id, atMs, site: 'quito', keyspace: 'travel', kind: 'failover', outcome: 'begun' },
    ...{ rule: '', words: 'two of three sites agreed that paris was lost', from: 'paris', to: 'tokyo', ...more },
  });
  const site = async (decisions: readonly Decision[]): Promise<ScriptedSite> => {
    const started = await ScriptedSite.start();
    started.routes.set('GET /v1/history', { status: 200, body: { decisions } });
    return started;
  };

  test('joins what the sites know of the newest decision, and says who is missing', async () => {
    await using quito = await site([decision('aa', 2_000), decision('bb', 1_000)]);
    await using tokyo = await site([decision('aa', 2_300, { site: 'tokyo', outcome: 'done', epoch: 2 })]);
    const { code, out, err } = await tidemark([quito.url, tokyo.url, NOWHERE], 'explain');
    expect(code).toBe(0);
    expect(out).toMatch(/moved from paris to tokyo, which writes in epoch 2 since then\. .*paris was lost\./s);
    expect(err).toMatch(/what this site decided is not among it/);
    const list = await tidemark([quito.url, tokyo.url], 'explain', '--list', '9');
    expect(list.out.trim().split('\n').slice(2)).toEqual([
      expect.stringMatching(/^aa .* failover .*done .* 2$/),
      expect.stringMatching(/^bb .* begun /),
    ]);
  });

  test('of an id nobody knows names some that are known: exit 2; of no answer at all: exit 4', async () => {
    await using quito = await site([decision('aa', 2_000)]);
    expect((await tidemark([quito.url], 'explain', 'a', '--json')).out).toContain('"id":"aa"');
    expect(await tidemark([quito.url], 'explain', 'zz')).toMatchObject({
      code: 2,
      err: /no decision "zz".*such as aa/,
    });
    expect((await tidemark([NOWHERE], 'explain', '--timeout', '200ms')).code).toBe(4);
  });
});
