/** One mutant's trial, as a process: `trial.ts NAME SEEDS FROM` tells its parent the first seed that notices, if any does. */

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MUTANTS } from './all.ts';

const [name, seeds, from] = process.argv.slice(2);
const mutant = MUTANTS.find((one) => one.name === name);
if (mutant === undefined) throw new Error(`no mutant ${name}`);
const url = new URL(`../../../${mutant.file}`, import.meta.url).href;
const text = readFileSync(fileURLToPath(url), 'utf8');
if (text.split(mutant.from).length !== 2) throw new Error(`${mutant.file} does not hold once: ${mutant.from}`);
const source = text.replace(mutant.from, () => mutant.to);

registerHooks({
  load: (asked, context, nextLoad) =>
    asked === url ? { format: 'module-typescript', source, shortCircuit: true } : nextLoad(asked, context),
});

const { run } = await import('../run.ts');
const { scenarioOf } = await import('../scenario.ts');
const all = Array.from({ length: Number(seeds) }, (_, i) => Number(from) + i);
for (const seed of mutant.seed === undefined ? all : [mutant.seed, ...all]) {
  const { violation } = await run(scenarioOf(seed));
  if (violation === null) continue;
  process.send!({ seed, rule: violation.rule, words: violation.words });
  break;
}
process.disconnect();
