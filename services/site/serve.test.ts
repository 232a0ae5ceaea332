import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServeOptions } from './serve.ts';

const SERVE = new URL('./serve.ts', import.meta.url).href;
/** Compiled once for all of these processes. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url));
/** What the command line does with it. */
const PROGRAM = `
  const { serve } = await import(${JSON.stringify(SERVE)});
  try {
    process.exit(await serve(JSON.parse(process.argv[1])));
  } catch (error) {
    console.error(error.kind + ': ' + error.message);
    process.exit(1);
  }`;

type Ready = { readonly url: string; readonly pid: number; readonly site: string };
type Child = {
  readonly process: ChildProcess;
  readonly ready: Promise<Ready>;
  /** Exit code, once everything it wrote has been read. */
  readonly ended: Promise<number | null>;
  out: string;
  err: string;
};

let folder = '';
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-serve-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
});

function run(options: ServeOptions, ipc = false): Child {
  const stdio = ipc ? (['ignore', 'pipe', 'pipe', 'ipc'] as const) : (['ignore', 'pipe', 'pipe'] as const);
  const parameters = ['--input-type=module', '-e', PROGRAM, JSON.stringify({ env: {}, ...options })];
  const process_ = spawn(process.execPath, parameters, {
    cwd: folder,
    stdio: [...stdio],
    env: { ...process.env, NODE_COMPILE_CACHE: CACHE },
  });
  children.push(process_);
  const { promise, resolve, reject } = Promise.withResolvers<Ready>();
  promise.catch(() => {});
  const ended = Promise.all(
    [process_, process_.stdout!, process_.stderr!].map((one, i) => once(one, i ? 'end' : 'exit')),
  );
  const code = ended.then(() => process_.exitCode);
  const child: Child = { process: process_, ready: promise, ended: code, out: '', err: '' };
  process_.stdout!.on('data', (chunk) => {
    child.out += chunk;
    if (child.out.startsWith('{"ready"') && child.out.includes('\n')) resolve(JSON.parse(child.out.split('\n')[0]!));
  });
  process_.stderr!.on('data', (chunk) => {
    child.err += chunk;
  });
  process_.on('exit', () => reject(new Error(child.err)));
  return child;
}

/** @returns the status and, in text, the answer */
async function ask(url: string): Promise<readonly [number, string]> {
  const answer = await fetch(url);
  return [answer.status, await answer.text()];
}

function site(name = 'paris', more: Record<string, string> = {}) {
  const flags: Record<string, string> = { site: name, data: join(folder, 'data'), listen: '127.0.0.1:0', ...more };
  return { flags };
}

describe('serve', () => {
  it('prints one line when it listens, logs elsewhere, and stops with 0 when asked to', async () => {
    const child = run(site());
    const { url, pid } = await child.ready;
    expect(pid).toBe(child.process.pid);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    child.process.kill('SIGTERM');
    expect(await child.ended).toBe(0);
    expect(child.out.split('\n')).toHaveLength(2);
    expect(child.err).toContain('stopping');
  });

  it('refuses a folder that another process has open, naming that process, and leaves it alone', async () => {
    const first = run(site());
    const { pid, url } = await first.ready;
    const second = run(site());
    expect(await second.ended).toBe(1);
    expect(second.err).toContain(`unavailable: folder ${join(folder, 'data')} is open in process ${pid}`);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });

  it('takes over the folder of a process that was killed', async () => {
    const first = run(site());
    await first.ready;
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    const { url } = await run(site()).ready;
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });

  it.each([
    ['site', 'paris', 'tokyo'],
    ['cluster', 'tidemark', 'other'],
  ])('refuses the folder of another %s, naming both', async (field, expected, wanted) => {
    const options = field === 'site' ? site(wanted) : site('paris', { cluster: wanted });
    const first = run(site());
    await first.ready;
    first.process.kill('SIGTERM');
    await first.ended;
    const second = run(options);
    expect(await second.ended).toBe(1);
    expect(second.err).toContain(`is of ${field} ${expected}, this process of ${field} ${wanted}`);
  });

  it('refuses a port in use, naming it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const child = run(site('paris', { listen: `127.0.0.1:${port}` }));
    expect(await child.ended).toBe(1);
    expect(child.err).toContain(`unavailable: cannot listen on 127.0.0.1:${port}: the port is in use`);
    server.close();
  });

  it('names a setting that is misspelt and the configuration file that is not there', async () => {
    await writeFile(join(folder, 'tidemark.json'), JSON.stringify({ site: 'paris', lisen: 'x' }));
    const misspelt = run({});
    expect(await misspelt.ended).toBe(1);
    expect(misspelt.err).toContain('unknown setting "lisen" (nearest: listen)');
    const absent = run({ configFile: 'nowhere.json' });
    expect(await absent.ended).toBe(1);
    expect(absent.err).toContain(`configuration file ${join(folder, 'nowhere.json')}`);
  });

  it('prints its configuration without starting anything', async () => {
    const child = run({ ...site(), printConfig: true, roles: 'applier,mirror' });
    expect(await child.ended).toBe(0);
    expect(JSON.parse(child.out)).toMatchObject({
      site: { value: 'paris', from: '--site' },
      roles: { value: ['applier', 'mirror'], from: '--roles' },
      cluster: { value: 'tidemark', from: 'default' },
    });
  });

  it('serves on when nobody reads what it prints, and passes over SIGHUP; the lines that are lost are counted', async () => {
    const child = run(site('paris', { logLevel: 'debug' }));
    const { url } = await child.ready;
    child.process.kill('SIGHUP');
    child.process.stdout!.destroy();
    child.process.stderr!.destroy();
    const dropped = async (): Promise<string | undefined> => {
      await fetch(`${url}/v1/nothing`);
      return /^tidemark_log_lines_dropped_total (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
    };
    child.process.kill('SIGHUP');
    while (['0', undefined].includes(await dropped())) await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    child.process.kill('SIGTERM');
    const [code] = await once(child.process, 'exit');
    expect(code).toBe(0);
  });

  it('ends when the process that started it is gone', async () => {
    const child = run(site(), true);
    await child.ready;
    child.process.disconnect();
    expect(await child.ended).toBe(0);
    expect(child.err).toContain('parent is gone');
  });

  it('ends with 1, having said why once, when its own log is no log any more', async () => {
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, 'data', 'log.db'), 'this is no database, however long one looks at it'.repeat(100));
    const child = run(site());
    expect(await child.ended).toBe(1);
    expect(child.err.match(/corrupt/g)).toHaveLength(1);
  });

  it('starts without its broker, says so once, and is not ready', async () => {
    const sites = { paris: { log: 'kafka://127.0.0.1:1', board: 'redis://127.0.0.1:1' } };
    const child = run(site('paris', { sites: JSON.stringify(sites) }));
    const { url } = await child.ready;
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ detail: expect.stringContaining('control log has not been read') });
    const status = (await (await fetch(`${url}/v1/status`)).json()) as { sites: unknown[] };
    expect(status.sites).toMatchObject([{ site: 'paris', state: 'unknown' }]);
    while (!child.err.includes('making the control topic')) await new Promise((resolve) => setTimeout(resolve, 50));
    child.process.kill('SIGINT');
    expect(await child.ended).toBe(0);
    expect(child.err.match(/making the control topic/g)).toHaveLength(1);
  });

  it('that ends three times for the same reason stays up, out of duty, and says why; the next start tries again', async () => {
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, 'data', 'log.db'), Buffer.alloc(8_192, 'no log'));
    for (let turn = 0; turn < 3; turn++) {
      const child = run(site());
      expect(await child.ended).toBe(1);
      expect(child.err).toContain('file is not a database');
    }
    const staying = run(site());
    const { url } = await staying.ready;
    expect((await ask(`${url}/livez`))[0]).toBe(200);
    for (const path of ['/readyz', '/v1/status', '/v1/travel/flights/rows/a']) {
      const [status, text] = await ask(url + path);
      expect([path, status]).toEqual([path, 503]);
      expect(text).toContain('file is not a database');
    }
    staying.process.kill('SIGTERM');
    expect(await staying.ended).toBe(0);
    const again = run(site());
    expect(await again.ended).toBe(1);
    await rm(join(folder, 'data', 'log.db'));
    const mended = run(site());
    expect((await ask(`${(await mended.ready).url}/readyz`))[0]).toBe(200);
  });
});
