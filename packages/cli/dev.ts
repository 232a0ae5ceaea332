/** `tidemark dev`: several sites on this machine, until Ctrl-C. */

import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Reaper } from '@tidemark/dev/reaper';
import { type DevSite, startSites } from '@tidemark/dev/sites';
import { EXIT } from './exit-code.ts';
import { command, oneOf, wholeNumber } from './invocation.ts';

type Flags = {
  readonly sites: number;
  readonly engine: 'embedded' | 'kafka';
  readonly data: string;
  readonly port: number;
  readonly reset?: boolean;
};

export const dev = command<Flags>('dev', 'run several sites on this machine', async ({ flags, output, signal }) => {
  const folder = resolve(flags.data, flags.engine);
  if (flags.reset === true) await rm(folder, { recursive: true, force: true });
  await using reaper = Reaper.start();
  const sites = await startSites({
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
  await untilOver(sites, signal);
  const gone = sites.filter((site) => !site.isRunning && !signal.aborted);
  for (const site of gone) output.error(await site.endFault());
  await Promise.all(sites.map((site) => site.stop()));
  return signal.aborted ? EXIT.done : EXIT.failed;
})
  .option('--sites <n>', 'how many', wholeNumber(1), 3)
  .option('--engine <name>', 'embedded or kafka', oneOf('embedded', 'kafka'), 'embedded')
  .option('--data <folder>', 'keeps everything', '.tidemark')
  .option('--port <n>', 'HTTP port of the first site; the others are ten apart', wholeNumber(1), 7_410)
  .option('--reset', 'begin with an empty folder');

/** Resolves on Ctrl-C, or when a site has ended by itself. */
async function untilOver(sites: readonly DevSite[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted && sites.every((site) => site.isRunning)) {
    await new Promise((wake) => setTimeout(wake, 200));
  }
}
