/** Has this process, from here on, load one file of production with a weakening in it; on disk the file stays as it is. */

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Weakening } from './mutant.ts';

/** The file's text with the weakening in it. @throws {Error} its text does not stand in the file exactly once */
export function weakenedText({ file, from, to }: Weakening): string {
  const text = readFileSync(fileURLToPath(urlOf(file)), 'utf8');
  if (text.split(from).length !== 2) throw new Error(`${file} does not hold once: ${from}`);
  return text.replace(from, () => to);
}

/** Call it before anything imports the file. */
export function weaken(weakening: Weakening): void {
  const url = urlOf(weakening.file);
  const source = weakenedText(weakening);
  registerHooks({
    load: (asked, context, nextLoad) =>
      asked === url ? { format: 'module-typescript', source, shortCircuit: true } : nextLoad(asked, context),
  });
}

function urlOf(file: string): string {
  return new URL(`../../../${file}`, import.meta.url).href;
}
