/** `npm run bench [pipeline|links|store|beyond|daily|ycsb|merging|resident|exports]`: how fast it is, beside what else could be used. The last line printed is JSON. */

import { Reaper } from '@tidemark/dev/reaper';
import { messageOf } from '@tidemark/platform/fault';
import { BEYOND_USAGE, beyond } from './beyond.ts';
import { DAILY_USAGE, daily } from './daily/daily.ts';
import { checkExports } from './exports.ts';
import { measureLinks } from './links/links.ts';
import { merging } from './merging.ts';
import { MEASURES, type Measure, pipeline } from './pipeline.ts';
import { RESIDENT_USAGE, resident } from './resident.ts';
import { parseStoreWords, rerunOnOneCore, STORE_USAGE, store } from './store.ts';
import { YCSB_USAGE, ycsb } from './ycsb/ycsb.ts';

const USAGE = `npm run bench -- [pipeline] [--quick] [--only ${MEASURES.join(',')}]\n  or ${STORE_USAGE}\n  or ${BEYOND_USAGE}\n  or ${DAILY_USAGE}\n  or ${YCSB_USAGE}\n  or npm run bench links\n  or npm run bench merging\n  or ${RESIDENT_USAGE}\n  or npm run bench exports`;

try {
  const words = process.argv.slice(2);
  if (words[0] === 'store') await runStore(words.slice(1));
  else if (words[0] === 'links') process.stdout.write(`${JSON.stringify(await measureLinks())}\n`);
  else if (words[0] === 'beyond') await runBeyond(words.slice(1));
  else if (words[0] === 'daily') await runDaily(words.slice(1));
  else if (words[0] === 'ycsb') await runYcsb(words.slice(1));
  else if (words[0] === 'merging') await runMerging();
  else if (words[0] === 'resident') await runResident(words.slice(1));
  else if (words[0] === 'exports') await runExports();
  else await runPipeline(words);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function runStore(words: readonly string[]): Promise<void> {
  const options = parseStoreWords(words);
  const status = rerunOnOneCore(options);
  if (status !== null) {
    process.exitCode = status;
    return;
  }
  await using reaper = Reaper.start();
  process.stdout.write(`${JSON.stringify(await store(options, reaper))}\n`);
}

async function runBeyond(words: readonly string[]): Promise<void> {
  await using reaper = Reaper.start();
  process.stdout.write(`${JSON.stringify(await beyond(words, reaper))}\n`);
}

async function runDaily(words: readonly string[]): Promise<void> {
  await using reaper = Reaper.start();
  process.stdout.write(`${JSON.stringify(await daily(words, reaper))}\n`);
}

async function runYcsb(words: readonly string[]): Promise<void> {
  await using reaper = Reaper.start();
  process.stdout.write(`${JSON.stringify(await ycsb(words, reaper))}\n`);
}

async function runMerging(): Promise<void> {
  await using reaper = Reaper.start();
  process.stdout.write(`${JSON.stringify(await merging(reaper))}\n`);
}

async function runResident(words: readonly string[]): Promise<void> {
  await using reaper = Reaper.start();
  process.stdout.write(`${JSON.stringify(await resident(words, reaper))}\n`);
}

async function runExports(): Promise<void> {
  await using reaper = Reaper.start();
  process.stdout.write(`${JSON.stringify(await checkExports(reaper))}\n`);
}

async function runPipeline(words: readonly string[]): Promise<void> {
  const { quick, only } = parse(words);
  await using reaper = Reaper.start();
  const summary = await pipeline({ reaper, quick, only });
  process.stdout.write(`${JSON.stringify(summary)}\n`);
}

function parse(words: readonly string[]): { quick: boolean; only: readonly Measure[] } {
  let quick = false;
  let only: readonly Measure[] = MEASURES;
  for (let i = 0; i < words.length; i++) {
    if (words[i] === 'pipeline') continue;
    else if (words[i] === '--quick') quick = true;
    else if (words[i] === '--only') only = measuresOf(words[++i] ?? '');
    else throw new Error(`got ${words[i]}, expected ${USAGE}`);
  }
  return { quick, only };
}

function measuresOf(text: string): Measure[] {
  return text.split(',').map((name) => {
    const found = MEASURES.find((measure) => measure === name);
    if (found === undefined) throw new Error(`got --only ${text}, expected ${USAGE}`);
    return found;
  });
}
