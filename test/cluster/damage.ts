/**
 * `npm run damage -- --trials 300 --seed 1 [--kind log.db] [--engine kafka]`: three real sites; one of them is killed, one of its files is
 * damaged (a flipped bit, a cut, gone, an older copy), and it is started again. On Kafka the broker ends, too, and a bit of a
 * topic's segment or index is flipped. Whatever the site answers for a row is that row or a refusal; it comes back by itself,
 * or says what helps, and that does. `--flips 10000` instead: so often a file of a site alone, which is started in this process.
 * A table by kind of file goes to standard output; exit 1 when a wrong row was served or a site stayed away without a reason.
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stage } from '@tidemark/cli/drill/stage';
import { PROGRAM } from '@tidemark/cli/program';
import { Reaper } from '@tidemark/dev/reaper';
import { SeededRandom } from '@tidemark/platform/random';
import { FlipTrials } from './damage/flip-trials.ts';
import { FolderTrials } from './damage/folder-trials.ts';
import { printTable } from './damage/rows.ts';
import { SegmentTrials } from './damage/segment-trials.ts';

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    engine: { type: 'string', default: 'embedded' },
    kind: { type: 'string' },
    flips: { type: 'string' },
  },
});
const engine = values.engine === 'kafka' ? 'kafka' : 'embedded';

function say(line: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1).padStart(7)} s  ${line}\n`);
}

await using reaper = Reaper.start();
const folder = await reaper.scratchFolder('damage');
const isWrong = (table: FlipTrials['table']): boolean =>
  [...table.values()].some((counts) => counts.has('WRONG') || counts.has('SILENT'));
if (values.flips !== undefined) {
  const random = new SeededRandom(Number(values.seed));
  const trials = new FlipTrials({ folder: join(folder, 'paris'), random, kind: values.kind ?? null, say });
  await trials.prepare();
  for (let number = 1; number <= Number(values.flips); number++) {
    await trials.one(number);
    if (number % 500 === 0) say(`${number} flips`);
  }
  printTable(trials.table);
  process.exit(isWrong(trials.table) ? 1 : 0);
}
// One trial follows the other, so that the usual hour between two automatic failovers is too long here.
const env = { TIDEMARK_FAILOVER_EVERY_MS_MIN: '0' };
const stage = await Stage.open({ program: PROGRAM, engine, folder: join(folder, 'sites'), reaper, say, env });
const [random, kind] = [new SeededRandom(Number(values.seed)), values.kind ?? null];
const held =
  engine === 'kafka'
    ? new SegmentTrials({ stage, random, say, kind })
    : new FolderTrials({ stage, random, say, kind, copies: join(folder, 'copies') });
await held.prepare();
for (let number = 1; number <= Number(values.trials); number++) await held.one(number);
await held.finish();
printTable(held.table);
await stage[Symbol.asyncDispose]();
process.exit(isWrong(held.table) ? 1 : 0);
