/** The keyspace that a command about a whole keyspace means: the named one, or the only one there is. */

import type { Database } from '@tidemark/client';
import { Fault } from '@tidemark/platform/fault';
import { noKeyspace } from './keyspace-of.ts';

/** `--keyspace`; left out where there is only one. */
export type KeyspaceFlag = { readonly keyspace?: string };

/** For `option`: what every such command says about it. */
export const KEYSPACE_OPTION = ['--keyspace <name>', 'which keyspace; not needed where there is only one'] as const;

/** @throws {Fault} `invalid`: no such keyspace, none at all, or several and none was named; names them. */
export async function theKeyspace(db: Database, { keyspace }: KeyspaceFlag): Promise<string> {
  using reply = await db.ask('any', { method: 'GET', path: '/v1/status' });
  const status = (await reply.response.json()) as { readonly keyspaces?: readonly { readonly keyspace: string }[] };
  const names = (status.keyspaces ?? []).map((one) => one.keyspace);
  if (keyspace !== undefined) {
    if (names.includes(keyspace)) return keyspace;
    throw noKeyspace(keyspace);
  }
  if (names.length === 1) return names[0]!;
  const expected = names.join(', ');
  if (names.length === 0) throw new Fault('invalid', 'there is no keyspace yet; tidemark apply FILE makes one');
  throw new Fault('invalid', `there are several keyspaces: say --keyspace with one of ${expected}`, { expected });
}
