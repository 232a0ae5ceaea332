/**
 * Both packages as a stranger has them: packed, installed in an empty folder outside of the repository, a program
 * compiled against the client's types, and run on several Nodes beside the sites that the installed command starts.
 */

import { spawn } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { canListen, freePort } from '@tidemark/dev/free-port';
import { machineEnv, shell } from './machine.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAM = 'first-steps';
const TYPES = 'refused-types';
const PAGE = 'page';
const READY_WAIT_MS = 120_000;
const PORTS_APART = 10;

export type PackageTrial = {
  readonly tarballs: readonly { readonly name: string; readonly bytes: number }[];
  /** What the program printed on each Node. */
  readonly printed: readonly { readonly node: string; readonly output: string }[];
  /** What the installed command read, as JSON. */
  readonly scanned: string;
};

export type TrialOptions = {
  /** Empty; everything is made in it. */
  readonly folder: string;
  /** Node majors to run the program on, as `20`; `own` is the one that the machine has. */
  readonly nodes: readonly string[];
  readonly say: (what: string) => void;
};

/** @throws when any step fails, with what it said */
export async function tryPackages({ folder, nodes, say }: TrialOptions): Promise<PackageTrial> {
  const packed = join(folder, 'packed');
  const app = join(folder, 'app');
  await Promise.all([mkdir(packed), mkdir(app)]);
  say('packing');
  await shell(`npm pack --silent ./publish/client ./publish/tidemark --pack-destination ${packed}`, ROOT);
  const tarballs = await sizesIn(packed);
  say('installing');
  const compiler = await versionsOf(['typescript', '@types/node']);
  const names = tarballs.map(({ name }) => join(packed, name));
  // Named, as npm would rather install into a folder above that has a package.json.
  await shell(`npm install --prefix . --no-audit --no-fund --loglevel=error ${[...names, ...compiler].join(' ')}`, app);
  say('compiling');
  await compileProgram(app);
  const programs = await bringNodes(join(folder, 'nodes'), nodes);
  say('starting sites');
  const port = await threeFreePorts();
  const url = `http://127.0.0.1:${port}`;
  await using _ = await startSites(app, port);
  await shell(`TIDEMARK_URL=${url} npx tidemark apply node_modules/tidemark/lib/examples/travel.json`, app);
  const printed: { node: string; output: string }[] = [];
  for (const program of programs) {
    const node = (await shell(`${program} --version`, app)).stdout.trim();
    say(`running on ${node}`);
    printed.push({ node, output: (await shell(`${program} built/${PROGRAM}.js ${url}`, app)).stdout });
  }
  const scan = `TIDEMARK_URL=${url} npx tidemark scan travel.flights -o json`;
  return { tarballs, printed, scanned: (await shell(scan, app)).stdout };
}

async function sizesIn(folder: string): Promise<PackageTrial['tarballs']> {
  const names = (await readdir(folder)).sort();
  return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })));
}

/** As `name@version`, those that the project itself is checked with. */
async function versionsOf(names: readonly string[]): Promise<string[]> {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  const versions = manifest.devDependencies as Readonly<Record<string, string>>;
  return names.map((name) => `${name}@${versions[name]}`);
}

/** The strictest settings: a library's types have to hold under whatever its user sets. */
async function compileProgram(app: string): Promise<void> {
  await copyFile(join(ROOT, 'packages/client/examples', `${PROGRAM}.ts`), join(app, `${PROGRAM}.ts`));
  await copyFile(join(ROOT, 'test/install', `${TYPES}.ts`), join(app, `${TYPES}.ts`));
  const page = await readFile(join(ROOT, 'publish/client/README.md'), 'utf8');
  await writeFile(join(app, `${PAGE}.ts`), /^```ts\n([\s\S]*?)^```/m.exec(page)![1]!);
  const strict = ['strict', 'exactOptionalPropertyTypes', 'noUncheckedIndexedAccess', 'verbatimModuleSyntax'];
  const compilerOptions = {
    ...Object.fromEntries(strict.map((name) => [name, true])),
    ...{ target: 'es2022', module: 'nodenext', types: ['node'], rootDir: '.', outDir: 'built', skipLibCheck: false },
  };
  const config = { compilerOptions, files: [PROGRAM, TYPES, PAGE].map((name) => `${name}.ts`) };
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify(config));
  await shell('npm pkg set type=module && npx tsc', app);
}

/** The programs of these Nodes; those that the machine lacks are installed apart. */
async function bringNodes(folder: string, nodes: readonly string[]): Promise<string[]> {
  const kind = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const wanted = nodes.filter((node) => node !== 'own').map((node) => `node-${node}@npm:${kind}@${node}`);
  await mkdir(folder);
  if (wanted.length > 0) await shell(`npm install --no-audit --no-fund --loglevel=error ${wanted.join(' ')}`, folder);
  return nodes.map((node) => (node === 'own' ? 'node' : join(folder, 'node_modules', `node-${node}`, 'bin/node')));
}

async function threeFreePorts(): Promise<number> {
  for (;;) {
    const first = await freePort();
    const others = [first + PORTS_APART, first + 2 * PORTS_APART];
    if ((await Promise.all(others.map(canListen))).every(Boolean)) return first;
  }
}

/** `npx tidemark dev`, until it is disposed. @throws when it ends before all sites answer */
async function startSites(app: string, port: number): Promise<AsyncDisposable> {
  const options = { cwd: app, env: machineEnv(), detached: true } as const;
  const dev = spawn('npx', ['tidemark', 'dev', '--port', `${port}`], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => dev.once('exit', () => resolve()));
  let said = '';
  for (const stream of [dev.stdout, dev.stderr]) stream.on('data', (chunk) => (said += chunk));
  const stop = async (): Promise<void> => {
    if (dev.exitCode === null) process.kill(-dev.pid!, 'SIGINT');
    await ended;
  };
  const untilMs = performance.now() + READY_WAIT_MS;
  while (!said.includes(`:${port + 2 * PORTS_APART}`)) {
    if (dev.exitCode === null && performance.now() < untilMs) await sleep(50);
    else {
      await stop();
      throw new Error(`${basename(app)}: npx tidemark dev: ${said}`);
    }
  }
  return { [Symbol.asyncDispose]: stop };
}
