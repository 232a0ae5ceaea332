/** `npm run bench [pipeline]`: how fast it is, beside what else could be used. The last line printed is JSON. */

import { Reaper } from '@tidemark/dev/reaper';
import { messageOf } from '@tidemark/world/fault';
import { MEASURES, type Measure, pipeline } from './pipeline.ts';

const USAGE = `npm run bench -- [pipeline] [--quick] [--only ${MEASURES.join(',')}]`;

await using reaper = Reaper.start();
try {
  const { quick, only } = parse(process.argv.slice(2));
  const summary = await pipeline({ reaper, quick, only });
  process.stdout.write(`${JSON.stringify(summary)}\n`);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
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
