/** `tidemark watchdog pause|resume`: keeps automatic failover from happening, or lets it again. */

import { EXIT } from '../exit-code.ts';
import { command, misused } from '../invocation.ts';
import { KEYSPACE_OPTION, type KeyspaceFlag, theKeyspace } from '../the-keyspace.ts';

/** Changes the pause in the register; an election by an operator goes on being possible. */
export const watchdog = command<KeyspaceFlag>(
  'watchdog <action>',
  'pause or resume automatic failover',
  async (invocation, [action]) => {
    if (action !== 'pause' && action !== 'resume') misused(`watchdog ${action}, expected pause or resume`);
    const { flags, output } = invocation;
    await using db = await invocation.open();
    const keyspace = await theKeyspace(db, flags);
    const paused = action === 'pause';
    const request = {
      method: 'POST',
      path: `/v1/watchdog/${encodeURIComponent(keyspace)}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ paused }),
    } as const;
    const at = flags.site ?? (await db.siteUrls())[0]!;
    using reply = await db.ask({ site: at }, request);
    const said = (await reply.response.json().catch(() => ({}))) as object;
    output.result({ keyspace, paused, ...said }, `automatic failover of ${keyspace} is ${paused ? 'paused' : 'on'}`);
    return EXIT.done;
  },
).option(...KEYSPACE_OPTION);
