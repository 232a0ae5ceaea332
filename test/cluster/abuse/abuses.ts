/** What readers may do to a site: the requests of each kind of abuse, as plain data that a thread can be given. */

/** So many rows differ in `distance`: two of all rows have the same. */
export const GROUP_ROWS = 2;

export type Abuse = {
  readonly name: string;
  readonly how:
    | { readonly kind: 'none' }
    /** Asked again as soon as it is answered, by so many at once. */
    | { readonly kind: 'asked'; readonly lanes: number; readonly path: string; readonly body: string }
    /** So many connections whose request is sent and whose answer is never read. */
    | { readonly kind: 'unread'; readonly connections: number; readonly path: string; readonly body: string }
    /** The same for a GET. */
    | { readonly kind: 'waiting'; readonly connections: number; readonly path: string }
    /** So many connections that say nothing. */
    | { readonly kind: 'idle'; readonly connections: number }
    /** So many connections that send half a body. */
    | { readonly kind: 'half'; readonly connections: number; readonly path: string };
};

const SCAN = '/v1/travel/flights/scan';
const ROWS = '/v1/travel/flights/rows';
const LANES = 8;

export function abusesOf(rowCount: number): readonly Abuse[] {
  const scan = (name: string, query: object, lanes = LANES): Abuse => ({
    name,
    how: { kind: 'asked', lanes, path: SCAN, body: JSON.stringify(query) },
  });
  const unread = (connections: number): Abuse => ({
    name: `${connections.toLocaleString('en')} full scans unread`,
    how: { kind: 'unread', connections, path: SCAN, body: '{}' },
  });
  return [
    { name: 'none', how: { kind: 'none' } },
    scan('or of 500', countWhere({ or: equals(500) })),
    scan('or of 2,000', countWhere({ or: equals(2_000) })),
    scan('or of 500 ranges', countWhere({ or: ranges(500, rowCount) })),
    scan('or of 2,000 ranges', countWhere({ or: ranges(2_000, rowCount) })),
    scan('in of 1e6', countWhere(['delay', 'in', numbers(1_000_000)])),
    scan('in of 100,000', countWhere(['delay', 'in', numbers(100_000)])),
    unread(530),
    unread(1_000),
    scan('group by, 750 k groups', { select: ['distance', { count: '*' }], groupBy: ['distance'] }),
    scan('groups in order', {
      select: ['distance', { count: '*', as: 'n' }],
      groupBy: ['distance'],
      orderBy: [['n', 'desc']],
    }),
    scan('exact quantiles', { select: [0.1, 0.5, 0.99].map((at) => ({ quantile: 'delay', at, as: `q${at * 100}` })) }),
    scan('approximate counts by 750 k groups', {
      select: ['distance', { countDistinctApprox: 'delay' }],
      groupBy: ['distance'],
    }),
    scan('exact quantiles by group', { select: ['origin', { quantile: 'delay', at: 0.5 }], groupBy: ['origin'] }),
    scan('order without limit', { select: ['delay'], where: [['delay', '<', 900_000]], orderBy: [['delay', 'desc']] }),
    scan('full scans, read', {}),
    {
      name: '1,000 long pages unread',
      how: { kind: 'waiting', connections: 1_000, path: `${ROWS}/A1?limit=10000` },
    },
    {
      name: '2,000 reads that wait',
      how: { kind: 'waiting', connections: 2_000, path: `${ROWS}/A1?read=primary&timeoutMs=60000` },
    },
    { name: '2,000 connections idle', how: { kind: 'idle', connections: 2_000 } },
    { name: '2,000 half bodies', how: { kind: 'half', connections: 2_000, path: ROWS } },
  ];
}

function countWhere(condition: unknown): object {
  return { select: [{ count: '*' }], where: [condition] };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function equals(count: number): unknown[] {
  return numbers(count).map((i) => [i % 2 === 0 ? 'delay' : 'distance', '=', i * 7]);
}

/** None of which can be joined with another: every row is compared with all. */
function ranges(count: number, rowCount: number): unknown[] {
  const step = Math.floor(rowCount / count);
  return numbers(count).map((i) => ['line', 'between', [i * step, i * step]]);
}
