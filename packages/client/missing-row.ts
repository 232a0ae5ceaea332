import { isFault } from '@tidemark/platform/fault';

/**
 * True where a site that knows the table said that it has no such row. A keyspace or a table that is not there, or a
 * proxy that knows no such path, is `notFound`, too: whoever takes that for a row that is gone is told a wrong thing.
 */
export function isMissingRow(error: unknown): boolean {
  if (!isFault(error, 'notFound')) return false;
  // Of a table that is not there it names those there are.
  const { table, expected } = error.details;
  return table !== undefined && expected === undefined;
}
