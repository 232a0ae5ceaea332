/** `tidemark dev`: several sites on this machine, until Ctrl-C. */

import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as rest } from 'node:timers/promises';
import { Reaper } from '@tidemark/dev/reaper';
import { startSites } from '@tidemark/dev/sites';
import { EXIT } from '../exit-code.ts';
import { command, oneOf, wholeNumber } from '../invocation.ts';
import { keepRunning } from '../keep-running.ts';

type Flags = {
  readonly sites: number;
  readonly engine: 'embedded' | 'kafka';
  readonly data: string;
  readonly port: number;
  readonly reset?: boolean;
};

/** Starts sites in a folder of their own and prints their addresses; a site that ends is started again. */
export const dev = command<Flags>('dev', 'run several sites on this machine', async ({ flags, output, signal }) => {
  const folder = resolve(flags.data, flags.engine);
  if (flags.reset === true) await rm(folder, { recursive: true, force: true });
  await using reaper = Reaper.start();
  const sites = await startSites({
    // What runs here serves as well.
    program: process.argv[1]!,
    engine: flags.engine,
    count: flags.sites,
    folder,
    reaper,
    firstPort: flags.port,
    onProgress: (what) => output.note(`starting ${what}`),
  });
  const list = sites.map(({ name, url, kafka, redis }) => ({
    site: name,
    url,
    ...(kafka === null ? {} : { kafka: kafka.address }),
    ...(redis === null ? {} : { redis: redis.address }),
  }));
  output.result(
    { engine: flags.engine, data: folder, sites: list },
    list.map((one) => Object.values(one).join('  ')).join('\n'),
  );
  output.note('Ctrl-C ends them');
  await keepRunning(sites, {
    signal,
    note: (what) => output.note(what),
    // Ctrl-C ends the waiting.
    sleep: (ms) => rest(ms, undefined, { signal }).catch(() => {}),
    nowMs: () => performance.now(),
  });
  await Promise.all(sites.map((site) => site.stop()));
  return EXIT.done;
})
  .option('--sites <n>', 'how many', wholeNumber(1), 3)
  .option('--engine <name>', 'embedded or kafka', oneOf('embedded', 'kafka'), 'embedded')
  .option('--data <folder>', 'keeps everything', '.tidemark')
  .option('--port <n>', 'HTTP port of the first site; the others are ten apart', wholeNumber(1), 7_410)
  .option('--reset', 'begin with an empty folder');
