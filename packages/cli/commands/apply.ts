/** `tidemark apply FILE`: defines a keyspace, or changes one. */

import type { Database } from '@tidemark/client';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { EXIT } from '../exit-code.ts';
import { command } from '../invocation.ts';
import { readKeyspace } from '../keyspace-of.ts';
import { textOf } from '../load/text-lines.ts';

type Flags = { readonly dryRun?: boolean };

/**
 * PUTs the keyspace file at the primary, on the version that it read just before; `--dry-run` only tells what would
 * change.
 */
export const apply = command<Flags>('apply <file>', 'define or change a keyspace', async (invocation, [path]) => {
  const { flags, output } = invocation;
  let text = '';
  for await (const piece of textOf(path!)) text += piece;
  const file = parseKeyspaceFile(parseJson(path!, text));
  await using db = await invocation.open();
  const dryRun = flags.dryRun === true;
  const version = await storedVersion(db, file.keyspace);
  using reply = await db.ask(
    { primaryOf: file.keyspace },
    {
      method: 'PUT',
      path: `/v1/keyspaces/${encodeURIComponent(file.keyspace)}${dryRun ? '?dryRun=true' : ''}`,
      headers: { 'content-type': 'application/json', ...(version === null ? {} : { 'if-match': `"${version}"` }) },
      body: JSON.stringify(file),
    },
  );
  const answer = (await reply.response.json()) as { readonly version: number; readonly changes: readonly string[] };
  const lines = answer.changes.length === 0 ? ['nothing changes'] : answer.changes;
  const at = dryRun ? 'would be' : 'is';
  output.result(
    { keyspace: file.keyspace, version: answer.version, changes: answer.changes, ...(dryRun ? { dryRun } : {}) },
    [...lines, `keyspace ${file.keyspace} ${at} at version ${answer.version}`].join('\n'),
  );
  return EXIT.done;
}).option('--dry-run', 'only say what would change');

/** What is changed is the version that was looked at; null when there is none yet. */
async function storedVersion(db: Database, keyspace: string): Promise<number | null> {
  return (await readKeyspace(db, keyspace))?.version ?? null;
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault('invalid', `${path} is not JSON: ${messageOf(cause)}`, { got: path, cause });
  }
}
