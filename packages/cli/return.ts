/** `tidemark return SITE`: a site that was lost is a member again, and what only it had is not thrown away unseen. */

import { confirm } from './confirm.ts';
import { command, oneOf } from './invocation.ts';
import { exitCodeOfJob, factsInWords, runJob } from './job.ts';
import { KEYSPACE_OPTION, type KeyspaceFlag, theKeyspace } from './the-keyspace.ts';

const TAILS = ['export', 'apply', 'discard'] as const;

type Flags = KeyspaceFlag & { readonly tail: (typeof TAILS)[number] };

export const returnSite = command<Flags>('return <site>', 'take a lost site back', async (invocation, [site]) => {
  const { flags, output } = invocation;
  if (flags.tail === 'discard') await confirm(invocation, `throw away what only ${site} has`);
  await using db = await invocation.open();
  const keyspace = await theKeyspace(db, flags);
  const job = { kind: 'return', keyspace, site, tail: flags.tail };
  // The site's own files are read and written, so the job is the site's own.
  const facts = await runJob(db, flags.site ?? site!, job, output);
  output.result(facts, factsInWords(facts));
  return exitCodeOfJob(facts);
})
  .option(
    '--tail <what>',
    'records that only this site has: written to files (export), written again as new (apply), or thrown away (discard)',
    oneOf(...TAILS),
    'export',
  )
  .option(...KEYSPACE_OPTION);
