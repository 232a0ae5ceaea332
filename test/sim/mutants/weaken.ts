/** Has this process, from here on, load files of production with weakenings in them; on disk the files stay as they are. */

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Weakening } from './mutant.ts';

/** The file's text with the weakening in it. @throws {Error} its text does not stand in the file exactly once */
export function weakenedText(weakening: Weakening): string {
  return weakened(readFileSync(fileURLToPath(urlOf(weakening.file)), 'utf8'), weakening);
}

function weakened(text: string, { file, from, to }: Weakening): string {
  if (text.split(from).length !== 2) throw new Error(`${file} does not hold once: ${from}`);
  return text.replace(from, () => to);
}

/** Call it once, before anything imports the files. */
export function weaken(weakenings: readonly Weakening[]): void {
  const sources = new Map<string, string>();
  for (const weakening of weakenings) {
    const url = urlOf(weakening.file);
    sources.set(url, weakened(sources.get(url) ?? readFileSync(fileURLToPath(url), 'utf8'), weakening));
  }
  registerHooks({
    load: (asked, context, nextLoad) => {
      const source = sources.get(asked);
      if (source === undefined) return nextLoad(asked, context);
      return { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}

function urlOf(file: string): string {
  return new URL(`../../../${file}`, import.meta.url).href;
}
