/** What a source file says of itself: what it imports, what it exports and whether that is explained, how long its functions are. */

import { readFileSync } from 'node:fs';
import { parseSync } from 'vite';

/** A name that other files can import. */
export type ExportedName = { readonly name: string; readonly isExplained: boolean };

/** One TypeScript or JavaScript file. */
export type Source = {
  /** Relative to the root of the checkout. */
  readonly path: string;
  readonly lines: number;
  /** As written, types included: `./key.ts`, `@tidemark/log/tail`, and files named by `new URL('…', import.meta.url)`. */
  readonly imports: readonly string[];
  readonly exports: readonly ExportedName[];
  /** Texts in the code, of templates each part; comments are none. */
  readonly texts: readonly string[];
  /** Lines of each function that has a body. */
  readonly functionLines: readonly number[];
};

/** A node of the syntax tree. */
export type Node = {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
};

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/** Reads and parses a file. @throws an error that names the file: it cannot be parsed */
export function readSource(path: string): Source {
  const text = readFileSync(path, 'utf8');
  const { program, module, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const functionLines: number[] = [];
  const urls: string[] = [];
  const texts: string[] = [];
  visit(program as unknown as Node, (node) => {
    if (FUNCTIONS.has(node.type) && (node.body as Node | null)?.type === 'BlockStatement') {
      functionLines.push(text.slice(node.start, node.end).split('\n').length);
    }
    const url = node.type === 'NewExpression' ? urlOf(node) : null;
    if (url !== null) urls.push(url);
    if (node.type === 'TemplateElement') texts.push((node.value as { readonly raw: string }).raw);
    texts.push(...textOf(node));
    if (node.type === 'ImportExpression') urls.push(...textOf(node.source as Node));
  });
  const requests = [...module.staticImports, ...module.staticExports.flatMap(({ entries }) => entries)].flatMap(
    ({ moduleRequest }) => moduleRequest?.value ?? [],
  );
  const ends = new Set(comments.filter(({ value }) => value.startsWith('*')).map(({ end }) => end));
  return {
    path,
    lines: text.split('\n').length - 1,
    imports: [...new Set([...requests, ...urls])],
    exports: (program.body as unknown as Node[]).flatMap((node) => exportsOf(node, text, ends)),
    texts,
    functionLines,
  };
}

/** Goes through a tree of syntax, outermost first. */
export function visit(node: Node, see: (node: Node) => void): void {
  see(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === 'object' && child !== null && 'type' in child) visit(child as Node, see);
    }
  }
}

/** Of `new URL('file', import.meta.url)`; null for any other. */
function urlOf(node: Node): string | null {
  const [file, base] = node.arguments as Node[];
  if ((node.callee as Node).name !== 'URL' || base?.type !== 'MemberExpression') return null;
  const name = textOf(file!)[0];
  return name === undefined || name.startsWith('.') ? (name ?? null) : `./${name}`;
}

function textOf(node: Node): string[] {
  return node.type === 'Literal' && typeof node.value === 'string' ? [node.value] : [];
}

function exportsOf(node: Node, text: string, ends: ReadonlySet<number>): ExportedName[] {
  if (node.type !== 'ExportNamedDeclaration' || !node.declaration) return [];
  const declared = node.declaration as Node;
  const nodes = declared.type === 'VariableDeclaration' ? (declared.declarations as Node[]) : [declared];
  const before = text.slice(0, node.start).trimEnd().length;
  return nodes.map(({ id }) => ({ name: String((id as Node).name), isExplained: ends.has(before) }));
}
