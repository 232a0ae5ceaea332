/** A site as a process of its own: reads its configuration, says when it is ready, ends as it is told to. */

import { basename, dirname, resolve } from 'node:path';
import { textOfUtf8 } from '@tidemark/model/text/utf8';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { LogLines } from '@tidemark/platform/log-lines';
import type { Logger } from '@tidemark/platform/logger';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { onEndAsked } from '@tidemark/platform/process/end-asked';
import { letHeapGrow } from '@tidemark/platform/process/heap-growth';
import { SystemRandom } from '@tidemark/platform/random';
import { within } from '@tidemark/platform/sync/deadline';
import { SystemClock } from '@tidemark/platform/system-clock';
import { pino } from 'pino';
import { type Config, type ConfigInput, describeConfig, readConfig } from './config/config.ts';
import { Endings, isWorthNoting, serveOutOfDuty } from './out-of-duty.ts';
import { type RunningSite, type SiteOptions, startSite } from './site.ts';

/** Longest wait for the reason of an ending to be written down. */
const NOTE_MS_MAX = 1_000;

/** How a site's process is to start; the command line fills it. */
export type ServeOptions = {
  /** By default `tidemark.json` in the working folder, where there is one. */
  readonly configFile?: string;
  /** Comma-separated or a list; goes before the configuration's. */
  readonly roles?: string | readonly string[];
  /** Settings by name, as text. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Print the settings, each with where it came from, and return. */
  readonly printConfig?: boolean;
};

/**
 * Runs a site until SIGTERM, SIGINT, or, where it was started with an IPC channel, until that closes. Prints one JSON
 * line on standard output once it listens; logs go to standard error.
 * @returns the exit code: 0 after a stop that was asked for; a fatal error ends the process with 1
 * @throws {Fault} whatever keeps the site from starting: wrong configuration, folder or port
 */
export async function serve(options: ServeOptions): Promise<number> {
  const config = readConfig(await inputOf(options));
  if (options.printConfig === true) {
    process.stdout.write(`${JSON.stringify(describeConfig(config), null, 2)}\n`);
    return 0;
  }
  // A stated budget is worth a collection sooner.
  if (config.memory === null) letHeapGrow();
  // Who read them is gone: the site serves on, and is not to be taken for one that was asked to end.
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error').on('error', () => {});
  const lines = new LogLines();
  const logger = pino({ level: config.logLevel, base: { site: config.site, pid: process.pid } }, lines);
  const clock = new SystemClock();
  const endings = new Endings(new NodeDisk(config.data), clock, logger);
  const end = (error: unknown): void => {
    void within(clock, NOTE_MS_MAX, endings.note(error)).finally(() => process.exit(1));
  };
  const fatal = (error: unknown): void => {
    logger.fatal({ err: error }, `ends: ${messageOf(error)}`);
    end(error);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  // What cannot go on has been logged by the site; nothing is tidied up, as its state is not to be trusted.
  const logDropped = (): number => lines.dropped;
  const repeated = await endings.takeRepeated();
  const site = await (repeated === null
    ? started(config, { logger, logDropped, onFatal: end }, endings)
    : outOfDuty(config, repeated, logger));
  const asked = stopSignal(logger);
  process.stdout.write(
    `${JSON.stringify({ ready: true, site: site.site, url: site.url, listening: site.listening, pid: process.pid })}\n`,
  );
  logger.info({ reason: await asked }, 'stopping');
  return stopInTime(site, config.stopTimeoutMs, logger);
}

/** @throws {Fault} as `startSite`; what another start may meet again has been written down */
async function started(config: Config, options: SiteOptions, endings: Endings): Promise<RunningSite> {
  try {
    return await startSite(config, options);
  } catch (error) {
    if (isWorthNoting(error)) await endings.note(error);
    throw error;
  }
}

async function outOfDuty(config: Config, reason: string, logger: Logger): Promise<RunningSite> {
  const { site } = config;
  const served = await serveOutOfDuty(config, reason, { random: new SystemRandom(), logger });
  return { site, listening: served.url, ...served };
}

async function inputOf({ configFile, roles, flags, env }: ServeOptions): Promise<ConfigInput> {
  // biome-ignore lint/style/noProcessEnv: the one place that reads the environment
  const environment = env ?? process.env;
  const given = configFile ?? environment.TIDEMARK_CONFIG;
  const file = await readConfigFile(given ?? 'tidemark.json', given !== undefined);
  const roleList = typeof roles === 'object' ? roles.join(',') : roles;
  return { env: environment, flags: { ...flags, ...(roleList === undefined ? {} : { roles: roleList }) }, ...file };
}

/** @throws {Fault} `invalid`: the file is not there although it was named. */
async function readConfigFile(name: string, named: boolean): Promise<Pick<ConfigInput, 'file'>> {
  const path = resolve(name);
  try {
    const bytes = await new NodeDisk(dirname(path)).read(basename(path));
    return { file: { path, text: textOfUtf8(bytes, path) } };
  } catch (error) {
    if (isFault(error, 'notFound') && !named) return {};
    throw new Fault('invalid', `configuration file ${path}: ${messageOf(error)}`, { got: path, cause: error });
  }
}

/** Resolves with what asked for the end. */
function stopSignal(logger: Logger): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  onEndAsked(resolve, () => logger.info({}, 'SIGHUP: nothing here is read again while it runs'));
  return promise;
}

async function stopInTime(site: RunningSite, timeoutMs: number, logger: Logger): Promise<number> {
  const done = new AbortController();
  const late = new SystemClock().sleep(timeoutMs, done.signal).then(() => {
    if (done.signal.aborted) return;
    logger.error({ timeoutMs }, `did not stop within ${timeoutMs} ms: ending without`);
    process.exit(1);
  });
  await site.stop();
  done.abort();
  await late;
  return 0;
}
