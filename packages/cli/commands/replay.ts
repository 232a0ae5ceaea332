/** `tidemark replay TABLE`: applies a range of a log or mirror again, into the same table or another. */

import { splitTableName } from '@tidemark/client/table';
import { Fault } from '@tidemark/platform/fault';
import { EXIT } from '../exit-code.ts';
import { command } from '../invocation.ts';
import { factsInWords, runJob } from '../job.ts';

type Flags = {
  readonly from?: string;
  readonly to?: string;
  readonly into?: string;
  readonly origin?: string;
  readonly dryRun?: boolean;
  readonly resume?: boolean;
};

/** Runs a replay job at one site; `--dry-run` only counts what would be applied. */
export const replay = command<Flags>('replay <table>', 'apply a range of the log again', async (invocation, [name]) => {
  const { flags, output } = invocation;
  const { keyspace, name: table } = splitTableName(name!);
  await using db = await invocation.open();
  const { from, to, into, origin, dryRun, resume } = flags;
  const job = { kind: 'replay', keyspace, table, from, to, into: tableIn(keyspace, into), origin, dryRun, resume };
  const facts = await runJob(db, flags.site ?? null, job, output);
  output.result(facts, factsInWords(facts));
  return EXIT.done;
})
  .option(
    '--from <bound>',
    'start, end, +n, -n, an offset, epoch:seq, @time, -1h; or a whole range like :end (default: start)',
  )
  .option('--to <bound>', 'likewise, not included (default: end)')
  .option('--into <table>', 'another table, made like this one where it is missing')
  .option('--origin <site>', 'only what this site wrote')
  .option('--dry-run', 'count by verdict, apply nothing')
  .option('--resume', 'go on where an interrupted replay of the same range stopped');

/** The target's name within the keyspace. @throws {Fault} `invalid`: it is of another one. */
function tableIn(keyspace: string, into: string | undefined): string | undefined {
  if (into === undefined || !into.includes('.')) return into;
  const place = splitTableName(into);
  if (place.keyspace === keyspace) return place.name;
  const message = `--into ${into}: a replay stays in its keyspace, ${keyspace}`;
  throw new Fault('invalid', message, { got: place.keyspace, expected: keyspace });
}
