/** `tidemark`: what a person types. One file for each command; this one is their list. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { apply } from './apply.ts';
import { dev } from './dev.ts';
import { drill } from './drill.ts';
import { EXIT } from './exit-code.ts';
import { explain } from './explain.ts';
import { exportTable } from './export.ts';
import { failover } from './failover.ts';
import { get } from './get.ts';
import { load } from './load.ts';
import { put } from './put.ts';
import { readmit } from './readmit.ts';
import { replay } from './replay.ts';
import { returnSite } from './return.ts';
import { scan } from './scan.ts';
import { schema } from './schema.ts';
import { serve } from './serve.ts';
import { sql } from './sql.ts';
import { status } from './status.ts';
import { store } from './store.ts';
import { switchover } from './switchover.ts';
import { verify } from './verify.ts';
import { watchdog } from './watchdog.ts';

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
