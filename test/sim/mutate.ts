/**
 * Weakens production's rules one at a time and has the simulator find out. Each mutant runs in a process of its own,
 * whose module loader changes the text of one file as it is read; the files themselves stay as they are.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MUTANTS, type Mutant } from './mutants/all.ts';

export type Caught = { readonly seed: number; readonly rule: string; readonly words: string };

const WORDS_MAX = 110;
const TRIAL = fileURLToPath(new URL('mutants/trial.ts', import.meta.url));

/** @returns the exit code: 1 when a mutant lived */
export async function runMutants(seeds: number, only: string | null, jobs = 1): Promise<number> {
  const mutants = MUTANTS.filter((mutant) => only === null || mutant.name === only);
  const waiting = [...mutants];
  const alive: Mutant[] = [];
  console.log(`mutant | rule | seed, of ${seeds} | invariant | words | seconds`);
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const beganMs = performance.now();
      const caught = await trial(mutant, seeds);
      const seconds = ((performance.now() - beganMs) / 1_000).toFixed(0);
      if (caught === null) alive.push(mutant);
      const how =
        caught === null ? 'LIVES' : `seed ${caught.seed} | ${caught.rule} | ${caught.words.slice(0, WORDS_MAX)}`;
      console.log(`${mutant.name} | ${mutant.breaks} | ${how} | ${seconds} s`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  console.log(`${mutants.length - alive.length} of ${mutants.length} caught`);
  return alive.length === 0 ? 0 : 1;
}

/** @returns null when it lives @throws when the mutant cannot be made: its text is not in the file any more */
export async function trial(mutant: Mutant, seeds: number, from = 1): Promise<Caught | null> {
  const child = fork(TRIAL, [mutant.name, String(seeds), String(from)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let caught: Caught | null = null;
  child.on('message', (message) => {
    caught = message as Caught;
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`mutant ${mutant.name}: its trial ended with code ${code}`);
  return caught;
}
