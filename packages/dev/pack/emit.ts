/** TypeScript to JavaScript: what a set of entries needs of this repository, as a tree of ES modules without bare inner names. */

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { filesOfUrls, withRelativeImports } from './module-text.ts';

/** The repository's folder, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ROOMS = ['packages', 'services'];

type Emission = {
  /** Where modules begin, as paths from the root. */
  readonly entries: readonly string[];
  /** The oldest language version that has to read it, as `tsc --target` names it. */
  readonly target: string;
  /** The folder the tree is written to; it mirrors the repository. */
  readonly folder: string;
  /** Types beside each module, without what is marked `@internal`. */
  readonly declarations?: boolean;
};

/**
 * Compiles the entries and everything they import, or start as a thread or process of its own, and copies the files
 * they name beside themselves.
 * @returns every module's path in the folder, and what they import from elsewhere
 * @throws when the compiler refuses, or a named file does not exist
 */
export async function emit(emission: Emission): Promise<{ modules: string[]; imported: string[] }> {
  const entries = new Set(emission.entries);
  for (;;) {
    await rm(emission.folder, { recursive: true, force: true });
    await compile({ ...emission, entries: [...entries] });
    const modules = await modulesIn(emission.folder);
    const missing = await startedModules(emission.folder, modules);
    if (missing.length === 0) return { modules, imported: await settle(emission.folder, modules) };
    for (const path of missing) entries.add(path);
  }
}

async function compile({ entries, target, folder, declarations = false }: Emission): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'tidemark-pack-'));
  const config = join(scratch, 'tsconfig.json');
  try {
    await writeFile(config, JSON.stringify(configOf(entries, target, folder, declarations)));
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [compiler, '-p', config]).catch((error: { stdout?: string }) => {
      throw new Error(`tsc: ${error.stdout?.trim() || String(error)}`);
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function configOf(entries: readonly string[], target: string, folder: string, declaration: boolean): object {
  return {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      ...{ target, declaration, outDir: folder, rootDir: ROOT, noEmit: false },
      // `npm run check` has looked at the types.
      ...{ noCheck: true, stripInternal: true, rewriteRelativeImportExtensions: true },
      typeRoots: [join(ROOT, 'node_modules/@types')],
      // As sources: what is found through npm's links would count as foreign, and not be compiled.
      paths: {
        '@tidemark/client': [join(ROOT, 'packages/client/client.ts')],
        '@tidemark/*': ROOMS.map((room) => join(ROOT, room, '*.ts')),
      },
    },
    include: [],
    files: entries.map((entry) => join(ROOT, entry)),
  };
}

/** The paths of all modules in a tree. */
export async function modulesIn(folder: string): Promise<string[]> {
  const paths = await readdir(folder, { recursive: true });
  return paths.filter((path) => path.endsWith('.js')).sort();
}

/** Sources that are named by a URL and were not compiled: nobody imports a thread's script. */
async function startedModules(folder: string, modules: readonly string[]): Promise<string[]> {
  const named = await Promise.all(modules.map((path) => namedFiles(folder, path)));
  return named.flat().filter((path) => path.endsWith('.ts') && !modules.includes(path.replace(/\.ts$/, '.js')));
}

async function namedFiles(folder: string, module: string): Promise<string[]> {
  const names = filesOfUrls(await readFile(join(folder, module), 'utf8'));
  return names.map((name) => join(dirname(module), name));
}

/** Makes each module's imports fit the tree, and brings the other files that it names. @returns foreign imports */
async function settle(folder: string, modules: readonly string[]): Promise<string[]> {
  const imported = new Set<string>();
  for (const module of modules) {
    for (const file of await namedFiles(folder, module)) if (!file.endsWith('.ts')) await bring(file, folder);
    const text = await readFile(join(folder, module), 'utf8');
    const settled = withRelativeImports(text, (name) => {
      const inner = innerModule(name, modules);
      if (inner === null) imported.add(name);
      else return relativeTo(module, inner);
      return name;
    });
    await writeFile(join(folder, module), settled);
  }
  return [...imported].sort();
}

/** A file of the repository in the same place of the tree. */
export async function bring(path: string, folder: string): Promise<void> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  // Of an inner package only the version is asked for; the rest is about the repository.
  if (!path.endsWith('package.json')) return copyFile(join(ROOT, path), target);
  const { version, type } = JSON.parse(await readFile(join(ROOT, path), 'utf8')) as Record<string, unknown>;
  await writeFile(target, `${JSON.stringify({ version, type })}\n`);
}

/** The module that `@tidemark/x/y` is; null for a name from elsewhere. */
function innerModule(name: string, modules: readonly string[]): string | null {
  const [, rest] = /^@tidemark\/(.+)$/.exec(name) ?? [];
  if (rest === undefined) return null;
  const path = rest === 'client' ? 'client/client' : rest;
  const found = ROOMS.map((room) => `${room}/${path}.js`).find((one) => modules.includes(one));
  if (found === undefined) throw new Error(`${name} was not compiled`);
  return found;
}

function relativeTo(module: string, target: string): string {
  const path = relative(dirname(module), target);
  return path.startsWith('.') ? path : `./${path}`;
}
