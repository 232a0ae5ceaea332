/** `tidemark`: what a person types. One file for each command; this one is their list. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { apply } from './commands/apply.ts';
import { dev } from './commands/dev.ts';
import { explain } from './commands/explain.ts';
import { exportTable } from './commands/export.ts';
import { failover } from './commands/failover.ts';
import { get } from './commands/get.ts';
import { load } from './commands/load.ts';
import { put } from './commands/put.ts';
import { readmit } from './commands/readmit.ts';
import { replay } from './commands/replay.ts';
import { returnSite } from './commands/return.ts';
import { scan } from './commands/scan.ts';
import { schema } from './commands/schema.ts';
import { serve } from './commands/serve.ts';
import { sql } from './commands/sql.ts';
import { status } from './commands/status.ts';
import { store } from './commands/store.ts';
import { switchover } from './commands/switchover.ts';
import { verify } from './commands/verify.ts';
import { watchdog } from './commands/watchdog.ts';
import { drill } from './drill/main.ts';
import { EXIT } from './exit-code.ts';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };

const program = new Command('tidemark')
  .description('a wide-column table store that lives in several data centres at once')
  .version(version)
  .showHelpAfterError('(--help says more)');
const data = [apply, load, put, get, scan, sql, exportTable, store, schema, replay];
const sites = [status, switchover, failover, returnSite, readmit, watchdog, explain, verify, drill];
for (const one of [dev, serve, ...data, ...sites]) program.addCommand(one);
for (const one of [program, ...program.commands, ...store.commands]) one.exitOverride();

// Nobody reads what is said beside the result: no reason to end.
process.stderr.on('error', () => {});
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed);
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
}
