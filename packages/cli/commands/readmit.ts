/** `tidemark readmit SITE`: the vote of a site that lost its control topic counts again. */

import { confirm } from '../confirm.ts';
import { command } from '../invocation.ts';
import { exitCodeOfJob, type JobFacts } from '../job.ts';
import { KEYSPACE_OPTION, type KeyspaceFlag, theKeyspace } from '../the-keyspace.ts';
import { moveInWords } from './move.ts';

/** Asks for confirmation first: that the old vote never answers again, nobody but the operator can know. */
export const readmit = command<KeyspaceFlag>(
  'readmit <site>',
  'let the vote of a site count again that lost its control topic',
  async (invocation, [site]) => {
    const { flags, output } = invocation;
    await confirm(invocation, `forget for good what ${site} had voted before it lost its control topic`);
    await using db = await invocation.open();
    const keyspace = await theKeyspace(db, flags);
    const request = {
      method: 'POST',
      path: `/v1/watchdog/${encodeURIComponent(keyspace)}/readmit`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ site }),
    } as const;
    const at = flags.site ?? (await db.siteUrls())[0]!;
    using reply = await db.ask({ site: at }, request);
    const facts = (await reply.response.json()) as JobFacts;
    const words = `the vote of ${site} in ${keyspace} counts again`;
    output.result(facts, facts.outcome === 'refused' ? moveInWords(facts) : words);
    return exitCodeOfJob(facts);
  },
).option(...KEYSPACE_OPTION);
