/** `tidemark return SITE`: a site that was lost is a member again, and what only it had is not thrown away unseen. */

import { confirm } from '../confirm.ts';
import { command, oneOf } from '../invocation.ts';
import { exitCodeOfJob, type JobFacts, runJob } from '../job.ts';
import { KEYSPACE_OPTION, type KeyspaceFlag, theKeyspace } from '../the-keyspace.ts';

const TAILS = ['export', 'apply', 'discard'] as const;

type Flags = KeyspaceFlag & { readonly tail: (typeof TAILS)[number] };

/** Runs a return job at the site itself; `--tail` says what becomes of its divergent suffix. */
export const returnSite = command<Flags>('return <site>', 'take a lost site back', async (invocation, [site]) => {
  const { flags, output } = invocation;
  if (flags.tail === 'discard') await confirm(invocation, `throw away what only ${site} has`);
  await using db = await invocation.open();
  const keyspace = await theKeyspace(db, flags);
  const job = { kind: 'return', keyspace, site, tail: flags.tail };
  // The site's own files are read and written, so the job is the site's own.
  const facts = await runJob(db, flags.site ?? site!, job, output);
  output.result(facts, returnInWords(site!, facts));
  return exitCodeOfJob(facts);
})
  .option(
    '--tail <what>',
    'records that only this site has: written to files (export), written again as new (apply), or thrown away (discard)',
    oneOf(...TAILS),
    'export',
  )
  .option(...KEYSPACE_OPTION);

/** Whether it is a member, what counts of its own terms, and where the rest went. */
function returnInWords(site: string, facts: JobFacts): string {
  const { member, kept, exported, divergentRecords, files, hash, tail, caughtUpMs, cells } = facts;
  const isMember = member === 'RECOVERING' ? 'is not a full member yet: ask again later' : 'is a full member';
  const lines = [`${site} ${isMember}; level after ${caughtUpMs} ms, ${kept} rows of its own terms count`];
  if (divergentRecords === 0) return `${lines[0]}, and none beyond`;
  const what = tail === 'apply' ? 'written again as new' : tail === 'discard' ? 'thrown away' : 'written to files';
  lines.push(`${divergentRecords} records with ${exported} rows are beyond the epoch end: ${what}, SHA-256 ${hash}`);
  if (Array.isArray(files) && files.length > 0) lines.push(`in its data folder: ${files.join(', ')}`);
  const verdicts = Object.entries((cells ?? {}) as Readonly<Record<string, number>>);
  if (verdicts.length > 0) lines.push(`their cells: ${verdicts.map(([verdict, n]) => `${n} ${verdict}`).join(', ')}`);
  return lines.join('\n');
}
