/** `tidemark serve`: runs a site's services in this process. */

import { Fault } from '@tidemark/platform/fault';
import { EXIT } from '../exit-code.ts';
import { command } from '../invocation.ts';

type Flags = { readonly config?: string; readonly printConfig?: boolean } & Readonly<Record<string, unknown>>;

/** Settings that have a flag of their own; any other goes as `--set name=value`. */
const SETTINGS = ['site', 'listen', 'data', 'roles', 'cluster', 'logLevel'] as const;

/**
 * Runs until it is told to stop or cannot go on; settings without a flag of their own are given by `--set name=value`.
 */
export const serve = command<Flags>('serve', "run a site's services in this process", async ({ flags }) => {
  // Loaded only when a site runs here: the other commands need none of it.
  const site = await import('@tidemark/site/serve');
  const code = await site.serve({
    ...(flags.config === undefined ? {} : { configFile: flags.config }),
    flags: settingsOf(flags),
    printConfig: flags.printConfig === true,
  });
  return code === 0 ? EXIT.done : EXIT.failed;
})
  .option('--config <file>', 'configuration file (default: tidemark.json where there is one)')
  .option('--roles <list>', 'any of writer,mirror,applier,watchdog')
  .option('--listen <host:port>', 'address of its HTTP')
  .option('--data <folder>', 'folder of its files')
  .option('--cluster <name>', 'name all sites share')
  .option('--log-level <level>', 'least severe line on standard error')
  .option('--set <name=value>', 'any other setting (may be repeated)', (text: string, before: string[] = []) => [
    ...before,
    text,
  ])
  .option('--print-config', 'show each setting and where it came from, and stop');

function settingsOf(flags: Flags): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const name of SETTINGS) if (typeof flags[name] === 'string') settings[name] = flags[name];
  for (const text of (flags.set ?? []) as readonly string[]) {
    const at = text.indexOf('=');
    if (at < 1) throw new Fault('invalid', `--set ${text}, expected name=value`, { got: text, expected: 'name=value' });
    settings[text.slice(0, at)] = text.slice(at + 1);
  }
  return settings;
}
