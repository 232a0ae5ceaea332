/** A fault as it stands inside an answer: in a JSON reply's `errors` and on a line of an NDJSON one. */

import type { Fault } from '@tidemark/platform/fault';

/** The JSON of a fault: its kind, its message as `detail`, and what was got and expected. */
export function problemOf({ kind, message, details }: Fault): object {
  const { table, column, got, expected, retryAfterMs } = details;
  return { kind, detail: message, table, column, got, expected, retryAfterMs };
}
