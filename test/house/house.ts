/** The tree as one sees it from outside: rooms, who imports whom, what is long, what nobody reaches. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readSource, type Source } from './source.ts';

/** A folder and the files that lie right in it, its package.json left out. */
export type Room = { readonly folder: string; readonly files: number; readonly lines: number };

/** Rooms of things that only tests use. */
const FOR_TESTS = /(^|\/)(testing|contract|sim|test)\/|\.test\.ts$/;
/** What others read to write a program of their own: each begins one. */
const EXAMPLE = /^packages\/[^/]+\/examples\/[^/]+\.ts$/;

export class House {
  readonly #sources: ReadonlyMap<string, Source>;
  readonly #folders: ReadonlyMap<string, string>;
  readonly #manifests: readonly string[];

  constructor() {
    const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' }).split('\n');
    const files = listed.filter((path) => path !== '' && existsSync(path));
    const code = files.filter(
      (path) =>
        /^(packages|services|test)\/.*\.(ts|js)$/.test(path) && !path.includes('/data/') && !path.endsWith('.d.ts'),
    );
    this.#sources = new Map(code.map((path) => [path, readSource(path)]));
    this.#manifests = files.filter((path) => basename(path) === 'package.json');
    const packages = files.filter((path) => /^(packages|services|test)\/[^/]+\/package\.json$/.test(path));
    this.#folders = new Map(packages.map((path) => [nameIn(path), dirname(path)]));
  }

  /** What the product is made of: neither tests nor what lies in a room for tests. */
  get own(): Source[] {
    return [...this.#sources.values()].filter(({ path }) => !FOR_TESTS.test(path));
  }

  get all(): Source[] {
    return [...this.#sources.values()];
  }

  rooms(): Room[] {
    const rooms = new Map<string, Room>();
    for (const { path, lines } of this.#sources.values()) {
      const folder = dirname(path);
      const room = rooms.get(folder) ?? { folder, files: 0, lines: 0 };
      rooms.set(folder, { folder, files: room.files + 1, lines: room.lines + lines });
    }
    return [...rooms.values()].sort((a, b) => b.files - a.files);
  }

  /** The files that a file imports, those for types alone among them. */
  importsOf(path: string): string[] {
    const source = this.#sources.get(path);
    return (source?.imports ?? []).flatMap((request) => this.#find(path, request) ?? []);
  }

  /** Each group of files that import each other in a circle. */
  circles(): string[][] {
    return circlesOf([...this.#sources.keys()], (path) => this.importsOf(path));
  }

  /**
   * Where a process of the product begins, or somebody else's program does: what scripts run, what a package installs as
   * a command or exports under its own name, and the examples.
   */
  entries(): string[] {
    const named = this.#manifests.flatMap((path) => entriesIn(path));
    return this.own.map(({ path }) => path).filter((path) => named.includes(path) || EXAMPLE.test(path));
  }

  /** Files of the product that no entry comes to. */
  unreached(): string[] {
    const reached = new Set(this.entries());
    for (const path of reached) for (const next of this.importsOf(path)) reached.add(next);
    return this.own.map(({ path }) => path).filter((path) => !reached.has(path));
  }

  /** `file: name` of what is exported without a word on what it is. */
  unexplained(): string[] {
    return this.own.flatMap(({ path, exports }) =>
      exports.filter(({ isExplained }) => !isExplained).map(({ name }) => `${path}: ${name}`),
    );
  }

  #find(from: string, request: string): string | null {
    const [, name, rest] = /^(@tidemark\/[^/]+)(?:\/(.+))?$/.exec(request) ?? [];
    const folder = name === undefined ? undefined : this.#folders.get(name);
    const at = request.startsWith('.')
      ? join(dirname(from), request)
      : folder === undefined
        ? null
        : `${folder}/${rest ?? 'client'}.ts`;
    return at !== null && this.#sources.has(at) ? at : null;
  }
}

type Manifest = {
  readonly name: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, unknown>>;
};

function manifestIn(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}

function nameIn(packageFile: string): string {
  return manifestIn(packageFile).name;
}

/** The files that a package.json gives to others to run or to import; `./*` gives none. */
function entriesIn(packageFile: string): string[] {
  const { scripts = {}, bin = {}, exports = {} } = manifestIn(packageFile);
  const run = Object.values(scripts).flatMap((script) =>
    [...script.matchAll(/\bnode (\S+)/g)].map((match) => match[1]!),
  );
  const main = exports['.'];
  const given = [...run, ...Object.values(bin), ...(typeof main === 'string' ? [main] : [])];
  return given.map((file) => join(dirname(packageFile), file));
}

/** Strongly connected components of more than one node, and nodes that name themselves (Tarjan 1972). */
export function circlesOf(nodes: readonly string[], next: (node: string) => readonly string[]): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const enter = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    open.push(node);
    for (const other of next(node)) {
      if (!index.has(other)) enter(other);
      if (open.includes(other)) low.set(node, Math.min(low.get(node)!, low.get(other)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const circle = open.splice(open.indexOf(node));
    if (circle.length > 1 || next(node).includes(node)) circles.push(circle.sort());
  };
  for (const node of nodes) if (!index.has(node)) enter(node);
  return circles;
}
