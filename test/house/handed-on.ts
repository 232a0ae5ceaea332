/**
 * Where a file hides who needs what. What something is given to run with is a type `…Parts`, with a field for each thing
 * that it needs itself; it names what it hands on. A bag that is passed on whole, or made of another one's, tells nobody.
 */

import { parseSync } from 'vite';
import { type Node, visit } from './source.ts';

/** What is wrong in a file, in words. */
export function handedOn(path: string, text: string): string[] {
  const wrong: string[] = [];
  const named = new Map<string, number>();
  const fields = new Map<string, number>();
  const program = parseSync(path, text).program as unknown as Node;
  visit(program, (node) => {
    if (node.type === 'Identifier') named.set(nameOf(node), (named.get(nameOf(node)) ?? 0) + 1);
    if (node.type === 'ObjectExpression') {
      const spread = (node.properties as Node[]).find((one) => one.type === 'SpreadElement' && isBag(one.argument));
      if (spread !== undefined) wrong.push(`${text.slice(spread.start, spread.end)} hands on all of it`);
    }
    if (node.type !== 'TSTypeAliasDeclaration' || !nameOf(node.id).endsWith('Parts')) return;
    const bag = nameOf(node.id);
    const type = node.typeAnnotation as Node;
    if (type.type !== 'TSTypeLiteral') return void wrong.push(`${bag} is made of another type`);
    for (const { key } of type.members as Node[]) fields.set(nameOf(key), (fields.get(nameOf(key)) ?? 0) + 1);
  });
  const unused = [...fields].filter(([field, count]) => named.get(field) === count).map(([field]) => field);
  return [...wrong, ...unused.map((field) => `${field} is asked for and not used`)];
}

/** `parts`, and `this.#parts`. */
function isBag(node: unknown): boolean {
  const { type, property } = node as Node;
  return type === 'MemberExpression' ? isBag(property) : nameOf(node) === 'parts';
}

function nameOf(node: unknown): string {
  return String((node as { readonly name?: string } | null)?.name ?? '');
}
