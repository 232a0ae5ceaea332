/** What each route takes behind the `?`. Anything else is refused: what is misspelt would be left out in silence. */

import { nearestHint } from '@tidemark/model/nearest';
import { ROUTES, STREAMS } from '@tidemark/peer/routes';
import { Fault } from '@tidemark/platform/fault';

const WRITE = ['ack', 'timeoutMs'] as const;
const READ = ['read', 'timeoutMs'] as const;

/** Routes that are not here take none. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  'GET /v1/:keyspace/:table/rows/*': [...READ, 'from', 'after', 'to', 'until', 'order', 'limit', 'cursor', 'select'],
  'POST /v1/:keyspace/:table/rows/get': READ,
  'PATCH /v1/:keyspace/:table/rows/*': WRITE,
  'DELETE /v1/:keyspace/:table/rows/*': WRITE,
  'POST /v1/:keyspace/:table/rows': [...WRITE, 'batchRows'],
  'POST /v1/:keyspace/:table/scan': READ,
  'PUT /v1/keyspaces/:keyspace': ['dryRun'],
  [`GET ${ROUTES.history.path}`]: ['all', 'keyspace'],
  [`GET ${ROUTES.decision.path}`]: ['all'],
  [`GET ${ROUTES.digest.path}`]: ['gcWatermark'],
  [`GET ${STREAMS.durable.path}`]: ['epoch', 'logId', 'floor'],
  [`GET ${ROUTES.ping.path}`]: ['from', 'process'],
  'GET /primary': ['keyspace'],
};

/**
 * @param route as it was registered
 * @throws {Fault} `invalid`: a parameter that the route does not have, naming those it has; or one that comes twice
 */
export function checkParameters(method: string, route: string, query: Readonly<Record<string, unknown>>): void {
  const known = PARAMETERS[`${method === 'HEAD' ? 'GET' : method} ${route}`] ?? [];
  for (const [name, value] of Object.entries(query)) {
    const expected = known.length === 0 ? 'none' : `one of ${known.join(', ')}`;
    if (!known.includes(name)) {
      const message = `query parameter "${name}"${nearestHint(name, known)}, expected ${expected}`;
      throw new Fault('invalid', message, { got: name, expected });
    }
    if (typeof value === 'string') continue;
    throw new Fault('invalid', `query parameter "${name}" comes twice`, { got: name, expected: 'each once' });
  }
}
