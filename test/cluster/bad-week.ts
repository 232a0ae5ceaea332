/**
 * `npm run bad-week -- [--engine embedded] [--days trimmed,control] [--keep FOLDER]`: three sites on real Kafka live through an
 * operator's bad week under load, one trouble after the other, each mended by what the product names. `--days` takes the
 * days whose names hold one of the words. In the end every acked row is looked up at every site. A table goes to standard
 * output; exit 1 when a promise was broken, and then the sites' logs are kept.
 */

import { copyFile, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { settle } from '@tidemark/cli/drill/account';
import { DrillLoad } from '@tidemark/cli/drill/drill-load';
import { Stage } from '@tidemark/cli/drill/stage';
import { PROGRAM } from '@tidemark/cli/program';
import { Reaper } from '@tidemark/dev/reaper';
import { messageOf } from '@tidemark/platform/fault';
import { DAYS, startEnded, untilReady } from './bad-week/days.ts';
import { MACHINE_DAYS } from './bad-week/machine-days.ts';
import { BATCH_ROWS, calm, promiseBalance, RATE } from './faults/stage/fault-row.ts';

const CALM_S = 2;
const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'kafka' },
    days: { type: 'string', default: '' },
    keep: { type: 'string' },
  },
});
const engine = values.engine === 'embedded' ? 'embedded' : 'kafka';

function say(line: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1).padStart(7)} s  ${line}\n`);
}

/** @returns the folder, with a file a site */
async function keepLogs(): Promise<string> {
  const kept = values.keep ?? (await mkdtemp(join(tmpdir(), 'bad-week-logs-')));
  await mkdir(kept, { recursive: true });
  for (const site of stage.sites) await copyFile(join(site.folder, 'site.log'), join(kept, `${site.name}.log`));
  return kept;
}

await using reaper = Reaper.start();
const folder = await reaper.scratchFolder('bad-week');
const env = { TIDEMARK_FAILOVER_EVERY_MS_MIN: '0' };
const stage = await Stage.open({ program: PROGRAM, engine, folder: join(folder, 'sites'), reaper, say, env });
const ledger = join(folder, 'ledger');
await mkdir(ledger);
const beganAtMs = Date.now();
const load = new DrillLoad({
  urls: stage.urls,
  keyspace: stage.keyspace,
  folder: ledger,
  batchRows: BATCH_ROWS,
  rate: RATE,
});
const lines: string[] = [];
let isBroken = false;
const words = values.days.split(',');
const days = [...DAYS, ...MACHINE_DAYS].filter(({ name }) => words.some((word) => name.includes(word)));
for (const { name, needsKafka, run } of days) {
  if (needsKafka && engine === 'embedded') continue;
  const dayMs = performance.now();
  const before = load.acked;
  let told: string;
  try {
    await calm(load, CALM_S);
    told = await run(stage);
    await calm(load, CALM_S);
    await untilReady(stage);
  } catch (error) {
    isBroken = true;
    told = `BROKEN: ${messageOf(error).slice(0, 300)}`;
    // One broken day is not to break those that come after it.
    for (const how of await startEnded(stage)) say(how);
  }
  const seconds = Math.round((performance.now() - dayMs) / 1_000);
  lines.push(`| ${name} | ${told} | ${load.acked - before} | ${seconds} |`);
  say(lines.at(-1)!);
}
const account = await settle(stage, ledger, load, { faultAtMs: beganAtMs, untilMs: Date.now() });
try {
  promiseBalance(account, account.examples);
} catch (error) {
  isBroken = true;
  say(messageOf(error));
}
const { acked, kept, missing, wrong, extra } = account.ledger;
console.log('| day | what the operator did | rows acked | s |\n|---|---|---|---|');
for (const line of lines) console.log(line);
console.log(
  `\nacked ${acked}, kept ${kept}, missing ${missing}, wrong ${wrong}, from nowhere ${extra}; digests ${account.digestsEqual ? 'equal' : 'DIFFERENT'}; longest pause between acks ${Math.round(account.outage.pauseMs)} ms`,
);
await stage[Symbol.asyncDispose]();
if (isBroken || values.keep !== undefined) say(`the sites' logs are in ${await keepLogs()}`);
process.exit(isBroken ? 1 : 0);
