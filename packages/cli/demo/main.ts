/** `npm run demo`: three sites on this machine, the real flights, one site lost, and the proof that no acked row was. */

import { mkdir, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Reaper } from '@tidemark/dev/reaper';
import { Stage } from '../drill/stage.ts';
import { EXIT } from '../exit-code.ts';
import { command, oneOf, wholeNumber } from '../invocation.ts';
import { PROGRAM } from '../program.ts';
import { isSound } from './demo-report.ts';
import { tableOf } from './picture.ts';
import { tellStory } from './story.ts';

type Flags = {
  readonly engine: 'embedded' | 'kafka';
  readonly rows: number;
  readonly data?: string;
  readonly keep?: boolean;
  readonly fast?: boolean;
};

const FAST_ROWS = 30_000;

const demo = command<Flags>(
  'demo',
  'three sites, real flights, one site lost and found',
  async ({ flags, output, signal }) => {
    const startedMs = performance.now();
    const say = (line: string): void =>
      output.note(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(5)} s  ${line}`);
    await using reaper = Reaper.start();
    signal.addEventListener('abort', () => process.exit(EXIT.failed));
    const folder = flags.data === undefined ? await reaper.scratchFolder('demo') : resolve(flags.data);
    if (flags.data !== undefined) await rm(folder, { recursive: true, force: true });
    if (flags.keep === true) reaper.keep(folder);
    await mkdir(folder, { recursive: true });
    const { engine } = flags;
    const rows = flags.fast === true ? Math.min(flags.rows, FAST_ROWS) : flags.rows;
    const stage = await Stage.open({ program: PROGRAM, engine, folder, reaper, say });
    const report = await tellStory({ stage, rows, folder, startedMs, say, show: (text) => output.note(text) });
    await stage[Symbol.asyncDispose]();
    output.note(`\n${tableOf(report)}\n`);
    if (flags.keep === true) output.note(`kept in ${folder}`);
    output.result(report, isSound(report) ? 'nothing acked is missing or wrong' : 'FAILED: see the table');
    return isSound(report) ? EXIT.done : EXIT.failed;
  },
)
  .option('--engine <name>', 'embedded or kafka', oneOf('embedded', 'kafka'), 'embedded')
  .option('--rows <n>', 'flights to write, at most 3,000,000', wholeNumber(1), 300_000)
  .option('--data <folder>', 'where to keep everything (emptied first); a scratch folder by default')
  .option('--keep', 'leave the folder when done')
  .option('--fast', `at most ${FAST_ROWS} rows`);

await demo.parseAsync();
