/** `npm run differential -- --queries 20000 --seed N`: random queries over random tables, of which DuckDB has to say the same. */

import { parseArgs } from 'node:util';
import { SystemRandom } from '@tidemark/platform/random';
import { Duck } from './duck.ts';
import { Sequence } from './sequence.ts';

const TOLD_EVERY = 100;

const { values } = parseArgs({ options: { queries: { type: 'string' }, seed: { type: 'string' } } });
const queries = Number(values.queries ?? 2_000);
const first = Number(values.seed ?? Math.floor(new SystemRandom().fraction() * 1e9));

using duck = await Duck.open();
let compared = 0;
let differences = 0;
let seed = first;
for (let told = 0; compared < queries; seed++, told++) {
  try {
    compared += await new Sequence(seed, duck).run();
  } catch (error) {
    differences++;
    console.error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n`);
    if (differences > 20) break;
  }
  if (told % TOLD_EVERY === TOLD_EVERY - 1) console.error(`${compared} queries compared`);
}
console.log(`${compared} queries over tables of seeds ${first} to ${seed - 1}: ${differences} differences`);
process.exitCode = differences === 0 ? 0 : 1;
