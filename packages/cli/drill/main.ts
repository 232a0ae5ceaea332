/** `tidemark drill`: something is broken on purpose, on sites of its own, and what it cost is counted by the client. */

import { Reaper } from '@tidemark/dev/reaper';
import { EXIT } from '../exit-code.ts';
import { command, durationMs, misused, oneOf, wholeNumber } from '../invocation.ts';
import { cutOffSite } from './cut-site.ts';
import { killPrimary } from './kill-primary.ts';
import { drillInWords, isBalanced } from './report.ts';
import { Stage } from './stage.ts';

type Flags = {
  readonly kill?: 'primary';
  readonly cut?: string;
  readonly for: number;
  readonly engine: 'embedded' | 'kafka';
  readonly rate: number;
};

const BATCH_ROWS = 50;
const CALM_MS = 2_000;

/** Exit code 1 when an acked row is missing or wrong, or sites differ. */
export const drill = command<Flags>(
  'drill',
  'break something on purpose, on three sites of its own, and count what it cost',
  async ({ flags, output, signal }) => {
    if ((flags.kill === undefined) === (flags.cut === undefined)) misused('say either --kill primary or --cut SITE');
    if (flags.cut !== undefined && flags.engine === 'embedded')
      misused('sites on the embedded engine have no network to cut: say --engine kafka');
    const startedMs = performance.now();
    const say = (line: string): void =>
      output.note(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(5)} s  ${line}`);
    await using reaper = Reaper.start();
    signal.addEventListener('abort', () => process.exit(EXIT.failed));
    const folder = await reaper.scratchFolder('drill');
    await using stage = await Stage.open({
      // What runs here serves as well.
      program: process.argv[1]!,
      ...{ engine: flags.engine, folder, reaper, say },
      links: flags.cut !== undefined,
    });
    const sizes = { folder, say, rate: flags.rate, batchRows: BATCH_ROWS, calmMs: CALM_MS };
    const report =
      flags.cut === undefined
        ? await killPrimary(stage, sizes)
        : await cutOffSite(stage, { ...sizes, site: flags.cut, cutMs: flags.for });
    output.result(report, drillInWords(report));
    return isBalanced(report) ? EXIT.done : EXIT.failed;
  },
)
  .option(
    '--kill <what>',
    'primary: everything of the primary site is killed with −9, and later it is back',
    oneOf('primary'),
  )
  .option('--cut <site>', 'this site is cut off from the others for a while (paris, tokyo or quito)')
  .option('--for <duration>', 'how long it is cut off', durationMs, 30_000)
  .option('--engine <name>', 'embedded or kafka', oneOf('embedded', 'kafka'), 'embedded')
  .option('--rate <rows>', 'rows written a second meanwhile', wholeNumber(1), 1_000);
