/**
 * The public types of a package as one file: what its first module exports, and nothing else of the modules it comes
 * from. It is made from the declarations that the compiler writes, in which a statement begins at the start of a line.
 */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** One declaration: its own text, and the comment before it. */
export type Declaration = { readonly name: string; readonly comment: string; readonly text: string };

type Module = {
  readonly declarations: readonly Declaration[];
  /** A name in this module → where it comes from. */
  readonly imports: ReadonlyMap<string, string>;
  /** A name that it passes on → where from. */
  readonly passedOn: ReadonlyMap<string, string>;
};

/** The declarations of a package's public surface. */
export type PublicTypes = {
  /** In the order of the export list. */
  readonly exported: readonly Declaration[];
  /** What those need, and no program can name. */
  readonly hidden: readonly Declaration[];
};

/**
 * @param file finds a module's declarations by the name that `from` imports it under
 * @throws when two declarations share a name, or one is written in a way that is not read here
 */
export function publicTypes(entry: string, file: (from: string, name: string) => string): PublicTypes {
  const modules = new Map<string, Module>();
  const moduleAt = (path: string): Module => {
    const known = modules.get(path) ?? parsed(readFileSync(path, 'utf8'), path);
    modules.set(path, known);
    return known;
  };
  const chosen = new Map<string, { readonly path: string; readonly found: readonly Declaration[] }>();
  const choose = (path: string, name: string): void => {
    const module = moduleAt(path);
    const from = module.passedOn.get(name) ?? module.imports.get(name);
    if (from !== undefined) {
      choose(file(path, from), name);
      return;
    }
    const found = module.declarations.filter((one) => one.name === name);
    if (found.length === 0) return;
    const before = chosen.get(name);
    if (before !== undefined && before.path !== path) throw new Error(`${name} is in ${before.path} and in ${path}`);
    if (before !== undefined) return;
    chosen.set(name, { path, found });
    for (const one of found) for (const word of wordsOf(one.text)) choose(path, word);
  };
  const { passedOn, declarations } = moduleAt(entry);
  const own = declarations.filter((one) => isExported(one)).map((one) => one.name);
  const names = new Set([...own, ...passedOn.keys()]);
  for (const name of names) choose(entry, name);
  const hidden = [...chosen].filter(([name]) => !names.has(name)).flatMap(([, { found }]) => found);
  return {
    exported: [...names].flatMap((name) => chosen.get(name)?.found ?? []),
    hidden: hidden.map((one) => ({ ...one, text: one.text.replace(/^export /, '') })),
  };
}

/** The file's text. */
export function printTypes({ exported, hidden }: PublicTypes): string {
  const all = [...exported, ...hidden].map(({ comment, text }) => (comment === '' ? text : `${comment}\n${text}`));
  return `${all.join('\n\n')}\n\nexport {};\n`;
}

/** Where the declarations of a compiled tree lie. @param rooms folders, as `packages`, that `@tidemark/x` is in */
export function declarationFiles(folder: string): (from: string, name: string) => string {
  return (from, name) => {
    const inner = /^@tidemark\/(.+)$/.exec(name)?.[1];
    const path = inner === undefined ? join(dirname(from), name) : join(folder, 'packages', inner);
    return `${path.replace(/\.ts$/, '')}.d.ts`;
  };
}

function parsed(text: string, path: string): Module {
  const imports = new Map<string, string>();
  const passedOn = new Map<string, string>();
  const declarations: Declaration[] = [];
  for (const { comment, code } of statements(text)) {
    const [, kind, list, from] = /^(import|export) (?:type )?\{([^}]*)\} from '([^']+)';$/.exec(code) ?? [];
    if (list !== undefined) {
      for (const name of namesIn(list, path)) (kind === 'import' ? imports : passedOn).set(name, from!);
    } else if (code !== 'export {};') declarations.push({ name: nameOf(code, path), comment, text: code });
  }
  return { declarations, imports, passedOn };
}

function namesIn(list: string, path: string): string[] {
  const names = list.split(',').map((one) => one.trim().replace(/^type /, ''));
  const renamed = names.find((name) => name.includes(' '));
  if (renamed !== undefined) throw new Error(`${path}: "${renamed}": a public type keeps its name`);
  return names.filter((name) => name !== '');
}

function nameOf(code: string, path: string): string {
  const kinds = 'function|class|abstract class|const|type|interface';
  const name = new RegExp(`^(?:export )?(?:declare )?(?:${kinds}) ([\\w$]+)`).exec(code)?.[1];
  if (name === undefined || /\bimport\(/.test(code)) throw new Error(`${path}: cannot be told apart: ${code}`);
  return name;
}

const isExported = ({ text }: Declaration): boolean => text.startsWith('export ');

/** Each statement with the comment right before it. The first comment of a file is about the file. */
function statements(text: string): { comment: string; code: string }[] {
  const found: { comment: string; code: string }[] = [];
  const blocks = text.match(/^(?:\/\*\*[\s\S]*?\*\/$|\/\/.*$|\S[^\n]*(?:\n(?:[ \t}\])|&?:].*)?)*)/gm) ?? [];
  let comment = '';
  blocks.forEach((block, index) => {
    if (block.startsWith('/')) comment = index === 0 ? '' : block;
    else {
      found.push({ comment, code: block.trim() });
      comment = '';
    }
  });
  return found;
}

/** Names that stand in a declaration, outside of its comments and texts. */
function wordsOf(code: string): Set<string> {
  const bare = code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/'[^'\n]*'/g, '');
  return new Set(bare.match(/[A-Za-z_$][\w$]*/g));
}
