/** One mutant's trial, as a process: `trial.ts NAME SEEDS FROM` tells its parent the first seed that notices, if any does. */

import { MUTANTS } from './all.ts';
import { weaken } from './weaken.ts';

const [name, seeds, from] = process.argv.slice(2);
const mutant = MUTANTS.find((one) => one.name === name);
if (mutant === undefined) throw new Error(`no mutant ${name}`);
weaken([mutant]);

const { run } = await import('../run.ts');
const { scenarioOf } = await import('../scenario.ts');
const { CASES, runCase } = await import('../cases/all.ts');
const known = CASES.find((one) => one.name === mutant.case);
if (mutant.case !== undefined && known === undefined) throw new Error(`no case "${mutant.case}"`);
const said = known === undefined ? null : await runCase(known);
if (said !== null) process.send!({ seed: 0, rule: 'case', words: said });
const all = said !== null ? [] : Array.from({ length: Number(seeds) }, (_, i) => Number(from) + i);
for (const seed of mutant.seed === undefined || said !== null ? all : [mutant.seed, ...all]) {
  const { violation } = await run(scenarioOf(seed, mutant.draws));
  if (violation === null) continue;
  process.send!({ seed, rule: violation.rule, words: violation.words });
  break;
}
process.disconnect();
