/** A small keyspace for tests to which its tables and rows do not matter. */

import { evolve } from '../evolve.ts';
import type { KeyspaceFile } from '../keyspace-file.ts';
import type { Keyspace } from '../table.ts';

/** `travel` of paris and tokyo, with one table of one key column; paris leads, at ack `local`. @param change of its file */
export function travelKeyspace(change: Partial<KeyspaceFile> = {}): Keyspace {
  const file: KeyspaceFile = {
    ...{ keyspace: 'travel', primary: 'paris', ack: 'local', partitions: 1 },
    sites: { paris: 'data', tokyo: 'data' },
    tables: { t: { columns: { k: 'string' }, partitionKey: 'k' } },
  };
  return evolve(null, { ...file, ...change }).keyspace;
}
