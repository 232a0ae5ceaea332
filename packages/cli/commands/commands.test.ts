/** The commands as scripts meet them: result on standard output, words on standard error, and the exit code. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ScriptedSite } from '@tidemark/client/testing/scripted-site';
import { freePort } from '@tidemark/dev/free-port';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../tidemark.js', import.meta.url));
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const keyspaceFile = {
  keyspace: 'travel',
  primary: 'paris',
  ack: 'local',
  sites: { paris: 'data' },
  tables: { things: { columns: { k: 'string', n: 'int' }, partitionKey: 'k' } },
};

async function site(): Promise<ScriptedSite> {
  const started = await ScriptedSite.start();
  started.keyspaceFile = keyspaceFile;
  return started;
}

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

function start(url: string, words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [PROGRAM, ...words], { env: { ...process.env, TIDEMARK_URL: url }, stdio: 'pipe' });
}

/** The command as an older Node runs it. */
function startOlder(words: readonly string[], cwd: string): ChildProcess {
  const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } })";
  const args = ['--import', `data:text/javascript,${encodeURIComponent(older)}`, PROGRAM, ...words];
  return spawn(process.execPath, args, { cwd, stdio: 'pipe' });
}

async function ended(child: ChildProcess): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout!.on('data', (piece) => (out += String(piece)));
  child.stderr!.on('data', (piece) => (err += String(piece)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

async function tidemark(url: string, ...words: string[]): Promise<Ended> {
  const child = start(url, words);
  child.stdin!.end();
  return ended(child);
}

const NOWHERE = 'http://127.0.0.1:1';

describe('exit codes', () => {
  test('0: done, and the result is one line of JSON', async () => {
    await using paris = await site();
    const put = await tidemark(paris.url, 'put', 'travel.things', 'a', 'n=5', '--json');
    expect(put).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(put.out)).toEqual({ row: { k: 'a', n: 5 }, ack: 'sync(1)', token: 'travel/paris/0=1:1' });
    expect(paris.rows.get('["a"]')).toEqual({ k: 'a', n: 5 });
  });

  test('1: there is no such row', async () => {
    await using paris = await site();
    expect(await tidemark(paris.url, 'get', 'travel.things', 'nobody', '--json')).toMatchObject({ code: 1, err: '' });
  });

  test.each([
    [['put', 'travel.things', 'a', 'n=five'], /column n: got "five", expected int/],
    [['put', 'travel.thing', 'a'], /keyspace travel has no table "thing"; it has things/],
    [['put', 'things', 'a'], /table name "things", expected keyspace.table/],
    [['get'], /missing required argument/],
    [['load', 'travel.things', '/nowhere.csv'], /cannot read .*nowhere.csv: there is no such file/],
    [['load', 'travel.things', 'f.csv', '--resume'], /--resume needs --ledger/],
    [['scan', 'travel.things', '--limit', 'x'], /got "x", expected a whole number from 1/],
    [['export', 'travel.things', 'f.xlsx'], /f.xlsx has the ending .xlsx, expected one of .parquet .csv/],
    [['export', 'travel.things', 'f.prquet'], /nearest: parquet/],
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['schema', 'table'], /needs a name like travel.flights/],
  ])('2: %j', async (words, message) => {
    await using paris = await site();
    const { code, out, err } = await tidemark(paris.url, ...words);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
  });

  test('4: nobody answers, or nobody knows', async () => {
    await using paris = await site();
    paris.script = ['lost504', 'away'];
    expect(await tidemark(paris.url, 'put', 'travel.things', 'a')).toMatchObject({ code: 4 });
    expect(await tidemark(NOWHERE, 'status', '--timeout', '100ms')).toMatchObject({ code: 4, out: '' });
  });

  test('5: two sites have different rows', async () => {
    await using paris = await site();
    await using tokyo = await ScriptedSite.start('tokyo');
    paris.rows.set('["a"]', { k: 'a', n: 1 });
    tokyo.rows.set('["a"]', { k: 'a', n: 2 });
    const both = `${paris.url},${tokyo.url}`;
    const { code, out } = await tidemark(both, 'get', 'travel.things', 'a', '--all-sites', '--json');
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ equal: false, sites: [{ row: { n: 1 } }, { row: { n: 2 } }] });
  });
});

describe('get of a shorter key', () => {
  const FLIGHTS = {
    ...{ keyspace: 'travel', mode: 'single', primary: 'paris', ack: 'local', failover: 'manual', partitions: 1 },
    sites: { paris: 'data' },
    tables: { flights: { columns: { origin: 'string', line: 'int' }, partitionKey: 'origin', sortKey: ['line'] } },
  };
  const ASKED = 'GET /v1/travel/flights/rows/S%2FN?from=2&until=5&order=desc&limit=2&select=line';

  test('is a page of its rows: bounds, order and columns as the site takes them, and where it goes on', async () => {
    await using paris = await site();
    paris.keyspaceFile = FLIGHTS;
    const page = { rows: [{ line: 4 }, { line: 3 }], cursor: 'c1' };
    paris.routes.set(ASKED, { status: 200, body: page });
    const words = 'get travel.flights S/N --from 2 --until 5 --order desc --limit 2 --select line'.split(' ');
    const json = await tidemark(paris.url, ...words, '--json');
    expect([json.code, JSON.parse(json.out)]).toEqual([0, page]);
    const text = await tidemark(paris.url, ...words);
    expect(text.out).toMatch(/line.*4.*3.*there are more: --cursor c1/s);
    paris.routes.set('GET /v1/travel/flights/rows/S%2FN?cursor=c1', { status: 200, body: { rows: [], cursor: null } });
    expect(await tidemark(paris.url, 'get', 'travel.flights', 'S/N', '--cursor', 'c1')).toMatchObject({ code: 0 });
  });

  test('is not compared between sites, has no limit of 0 and no other order', async () => {
    await using paris = await site();
    paris.keyspaceFile = FLIGHTS;
    for (const [words, message] of [
      ['--all-sites', /compares one row: got 1 key parts, expected 2/],
      ['--limit 0', /got "0", expected a whole number from 1/],
      ['--order up', /got "up", expected asc, desc/],
    ] as const) {
      const { code, err } = await tidemark(paris.url, 'get', 'travel.flights', 'SAN', ...words.split(' '));
      expect([words, code]).toEqual([words, 2]);
      expect(err).toMatch(message);
    }
  });
});

describe('rows without any', () => {
  test('are a CSV with its header, on the terminal and in a file', async () => {
    await using paris = await site();
    expect(await tidemark(paris.url, 'scan', 'travel.things', '-o', 'csv')).toMatchObject({ code: 0, out: 'k,n\n' });
    const words = ['--select', 'k,count(*) as "how many"', '--group-by', 'k'];
    const grouped = await tidemark(paris.url, 'scan', 'travel.things', '-o', 'csv', ...words);
    expect(grouped.out).toBe('k,how many\n');
    const file = join(folder, 'empty.csv');
    expect(await tidemark(paris.url, 'export', 'travel.things', file)).toMatchObject({ code: 0 });
    expect(await readFile(file, 'utf8')).toBe('k,n\n');
  });

  test('and with some are what the name of the file says', async () => {
    await using paris = await site();
    paris.rows.set('["a"]', { k: 'a', n: null });
    paris.rows.set('["b, c"]', { k: 'b, c', n: 2 });
    for (const [name, text] of [
      ['x.CSV', 'k,n\na,\n"b, c",2\n'],
      ['x.jsonl', '{"k":"a","n":null}\n{"k":"b, c","n":2}\n'],
    ] as const) {
      const file = join(folder, name);
      const { out } = await tidemark(paris.url, 'export', 'travel.things', file, '--json');
      expect(JSON.parse(out)).toMatchObject({ rows: 2, bytes: text.length });
      expect(await readFile(file, 'utf8')).toBe(text);
    }
  });
});

describe('load', () => {
  test('counts what was accepted and names the rest; a resumed one sends nothing twice', async () => {
    await using paris = await site();
    const file = join(folder, 'rows.ndjson');
    const ledger = join(folder, 'rows.ledger');
    await writeFile(file, Array.from({ length: 25 }, (_, n) => `{"k":"k${n}","n":${n}}\n`).join(''));
    const words = ['load', 'travel.things', file, '--batch-rows', '10', '--ledger', ledger, '--json'];
    const first = await tidemark(paris.url, ...words);
    expect(first.code).toBe(0);
    expect(JSON.parse(first.out)).toMatchObject({ accepted: 25, rejected: 0, unknown: 0, complete: true });
    const again = await tidemark(
      paris.url,
      ...words.filter((word) => word !== '--batch-rows' && word !== '10'),
      '--resume',
    );
    expect(JSON.parse(again.out)).toMatchObject({ accepted: 0, resumed: 25 });
    expect(paris.stored.size).toBe(3);
  });

  test('does not go on over a file that was edited, though it has the same size', async () => {
    await using paris = await site();
    const file = join(folder, 'edited.csv');
    const words = ['load', 'travel.things', file, '--ledger', join(folder, 'edited.ledger')];
    await writeFile(file, 'k,n\na,1\nb,2\n');
    expect(await tidemark(paris.url, ...words)).toMatchObject({ code: 0 });
    await writeFile(file, 'k,n\na,1\nb,3\n');
    const { code, err } = await tidemark(paris.url, ...words, '--resume');
    expect(code).toBe(2);
    expect(err).toMatch(/is of source edited.csv \(12 bytes, sha256 \w{16}\), asked for edited.csv \(12 bytes, sha256/);
  });

  test('refuses a file that is not UTF-8 by line and byte, and one that names a column twice', async () => {
    await using paris = await site();
    const file = join(folder, 'bad.csv');
    await writeFile(file, Buffer.concat([Buffer.from('k,n\na,1\nb'), Buffer.of(0xe9), Buffer.from(',2\n')]));
    const bad = await tidemark(paris.url, 'load', 'travel.things', file);
    expect([bad.code, bad.err]).toEqual([2, expect.stringMatching(/bad.csv, line 3, byte 2: 0xe9 is not UTF-8/)]);
    await writeFile(file, '\uFEFF"k",n,n\na,1,2\n');
    const twice = await tidemark(paris.url, 'load', 'travel.things', file);
    expect([twice.code, twice.err]).toEqual([2, expect.stringMatching(/column "n" comes twice, as number 2 and 3/)]);
    expect(paris.rows.size).toBe(0);
    await writeFile(file, '\uFEFF"k",n\na,1\n');
    expect(await tidemark(paris.url, 'load', 'travel.things', file)).toMatchObject({ code: 0 });
    expect(paris.rows.get('["a"]')).toEqual({ k: 'a', n: 1 });
  });

  test('stopped by Ctrl-C while it waits for rows: the ledger is whole, exit 1, and it says how to go on', async () => {
    await using paris = await site();
    const ledger = join(folder, 'stopped.ledger');
    const words = ['load', 'travel.things', '-', '--format', 'ndjson', '--batch-rows', '2', '--ledger', ledger];
    const child = start(paris.url, words);
    const end = ended(child);
    child.stdin!.write('{"k":"a"}\n{"k":"b"}\n{"k":"c"}\n');
    while (!(await readFile(ledger, 'utf8').catch(() => '')).includes('"batch":0')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill('SIGINT');
    const { code, err } = await end;
    expect(code).toBe(1);
    expect(err).toMatch(/stopped by a signal. To go on: the same command with --resume/);
    expect([...paris.rows.keys()]).toEqual(['["a"]', '["b"]']);
  });
});

test('an old Node without a newer one beside it is told in one line, exit 2', async () => {
  const shim = await readFile(PROGRAM, 'utf8');
  const old = join(folder, 'tidemark.mjs');
  await writeFile(old, shim.replace('const NODE_MAJOR_MIN = 24', 'const NODE_MAJOR_MIN = 999'));
  const child = spawn(process.execPath, [old], { cwd: folder, stdio: 'pipe' });
  const { code, err } = await ended(child);
  expect(code).toBe(2);
  expect(err).toMatch(/^tidemark needs Node 999 or newer; this is v\d+.*\n$/);
});

describe('started by an older Node', () => {
  const serve = async (): Promise<{ child: ChildProcess; pid: number; out: Promise<Ended> }> => {
    const data = await mkdtemp(join(folder, 'older-'));
    const words = ['serve', '--listen', '127.0.0.1:0', '--data', data, '--set', 'site=paris'];
    const child = startOlder(words, data);
    const out = ended(child);
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    return { child, pid: (JSON.parse(String(line)) as { pid: number }).pid, out };
  };
  const isThere = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  test.each(['SIGTERM', 'SIGINT'] as const)('%s reaches the site, and its exit code comes back', async (signal) => {
    const { child, pid, out } = await serve();
    expect(pid).not.toBe(child.pid);
    child.kill('SIGHUP');
    child.kill(signal);
    const { code, err } = await out;
    expect([code, err.includes(`"reason":"${signal}"`)]).toEqual([0, true]);
    expect(isThere(pid)).toBe(false);
  });

  test('a site does not outlive the process that was started, and its own end by a signal is told', async () => {
    const first = await serve();
    first.child.kill('SIGKILL');
    await first.out;
    while (isThere(first.pid)) await new Promise((wake) => setTimeout(wake, 20));
    const second = await serve();
    process.kill(second.pid, 'SIGKILL');
    await second.out;
    expect(second.child.signalCode).toBe('SIGKILL');
  });

  test('usage is 2 as ever', async () => {
    expect((await ended(startOlder(['nonsense'], folder))).code).toBe(2);
  });
});

describe('dev', () => {
  const dev = (data: string, port: number): ChildProcess =>
    start(NOWHERE, ['dev', '--sites', '1', '--data', data, '--port', String(port), '--json']);

  test('says which port is taken, and by whom a folder is', async () => {
    const data = await mkdtemp(join(folder, 'dev-'));
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    expect(await ended(dev(data, port))).toMatchObject({
      code: 4,
      out: '',
      err: expect.stringContaining(`port ${port}, for paris, is in use by another process`),
    });
    server.close();
    await using _ = await new NodeDisk(join(data, 'embedded', 'paris')).lock('.');
    const held = await ended(dev(data, await freePort()));
    expect(held).toMatchObject({ code: 4, out: '' });
    expect(held.err).toContain(`paris is open in process ${process.pid}`);
  }, 60_000);

  test('takes a folder up on another port, keeps what else its files say, and SIGHUP does not end it', async () => {
    const data = await mkdtemp(join(folder, 'dev-'));
    await mkdir(join(data, 'embedded'));
    const before = { site: 'paris', listen: '127.0.0.1:1', stopTimeoutMs: 9_000 };
    await writeFile(join(data, 'embedded', 'paris.json'), JSON.stringify(before));
    const port = await freePort();
    const child = dev(data, port);
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    const url = `http://127.0.0.1:${port}`;
    expect(JSON.parse(String(line))).toMatchObject({ sites: [{ url }] });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    const file = JSON.parse(await readFile(join(data, 'embedded', 'paris.json'), 'utf8'));
    expect(file).toMatchObject({ listen: `127.0.0.1:${port}`, stopTimeoutMs: 9_000 });
    child.kill('SIGHUP');
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    child.kill('SIGTERM');
    expect((await ended(child)).code).toBe(0);
  }, 60_000);
});

describe('files that cannot be what serve was told', () => {
  const serve = (cwd: string, ...words: string[]): Promise<Ended> =>
    ended(
      spawn(process.execPath, [PROGRAM, 'serve', '--set', 'site=paris', '--listen', '127.0.0.1:0', ...words], { cwd }),
    );

  test('are misuse, exit 2, named with what helps', async () => {
    const place = await mkdtemp(join(folder, 'misuse-'));
    await writeFile(join(place, 'file'), '');
    await mkdir(join(place, 'held', 'lock.db'), { recursive: true });
    await mkdir(join(place, 'log'));
    const sites = (log: string): string => `sites=${JSON.stringify({ paris: { log, board: 'file:board' } })}`;
    const tries: [string[], RegExp][] = [
      [['--data', 'file'], /file.*is no folder/],
      [['--data', 'file/below'], /file\/below.*no folder/],
      [['--data', 'held'], /held\/lock\.db.*whether it is a folder/],
      [['--data', 'd', '--set', sites('sqlite:log')], /sqlite:.*log.*whether it is a folder/],
    ];
    for (const [words, message] of tries) {
      const { code, err } = await serve(place, ...words);
      expect([words, code]).toEqual([words, 2]);
      expect(err).toMatch(message);
      expect(err).not.toContain('bug');
    }
  }, 60_000);

  test('so is a working folder that is gone', async () => {
    const gone = await mkdtemp(join(folder, 'gone-'));
    const go = 'cd "$1" && rmdir "$1" && exec "$2" "$3" serve --set site=paris';
    const child = spawn('sh', ['-c', go, 'sh', gone, process.execPath, PROGRAM], { stdio: 'pipe' });
    expect(await ended(child)).toMatchObject({ code: 2, err: expect.stringContaining('the working folder is gone') });
  });
});
