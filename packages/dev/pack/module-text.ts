/** The names of other files in a compiled module's text: what it imports, and what it finds beside itself. */

/** As the compiler writes them: a statement is a line. What is loaded by name needs its package just as well. */
const IMPORT = /(^(?:import|export) (?:[^'=;\n]* from )?|\b(?:import|import\.meta\.resolve|load)\()'([^'.][^']*)'/gm;
const URL_OF_FILE = /new URL\('([^']+)', import\.meta\.url\)/g;

/**
 * The text with every bare import as `named` has it, and with files that were compiled under their new names.
 * @param named from the name as it stands to the one that holds in the tree
 */
export function withRelativeImports(text: string, named: (name: string) => string): string {
  return text
    .replace(IMPORT, (all: string, before: string, name: string) =>
      name.startsWith('node:') ? all : `${before}'${named(name)}'`,
    )
    .replace(URL_OF_FILE, (_, name: string) => `new URL('${name.replace(/\.ts$/, '.js')}', import.meta.url)`);
}

/** Files that a module names by a URL of its own; a folder, which ends in `/`, is none. */
export function filesOfUrls(text: string): string[] {
  return [...text.matchAll(URL_OF_FILE)].map((match) => match[1]!).filter((name) => !name.endsWith('/'));
}
