/**
 * Requests to every route of three sites, internal ones too: bodies as each route takes them, with something wrong in
 * most. Whatever is sent, no site ends, nothing answers 5xx that does not mean it, what is refused is told as a problem, and
 * nothing that is refused changes anything.
 */

import { Agent, request } from 'node:http';
import type { RegisterAnswer } from '@tidemark/control/consensus/register-request';
import { type Random, SeededRandom } from '@tidemark/platform/random';
import { EmbeddedSites, SITE_NAMES } from '@tidemark/site/testing/embedded-sites-harness';

const KEYSPACE = 'travel';
const AT_ONCE = 16;
/** Requests between two looks at what must not have changed. */
const BATCH = 100;
const ANSWER_MS = 30_000;

type Json = unknown;
type Asked = { readonly method: string; readonly path: string; readonly body: Json | undefined; readonly type: string };
type Told = {
  readonly status: number;
  readonly type: string;
  readonly retryAfter: string | undefined;
  readonly text: string;
};

const FILE = {
  keyspace: KEYSPACE,
  primary: 'paris',
  ack: 'sync(1)',
  failover: 'manual',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 2,
  tables: { t: { columns: { k: 'string', n: 'int', d: 'decimal(18,2)' }, partitionKey: 'k' } },
};
const BALLOT = { counter: 3, site: 'paris', process: 'p' };

/** What each route takes where all is right, or nearly: `value` is the register's. */
function requests(value: Json): readonly (readonly [string, string, Json?])[] {
  const cut = [
    { seq: 3, chain: 'ab' },
    { seq: -1, chain: '' },
  ];
  const vote = `/v1/internal/register/${KEYSPACE}`;
  return [
    ['POST', vote, { kind: 'prepare', ballot: BALLOT }],
    ['POST', vote, { kind: 'accept', ballot: BALLOT, value }],
    ['POST', vote, { kind: 'chosen', ballot: BALLOT, value }],
    ['POST', vote, { kind: 'read' }],
    ['POST', vote, { kind: 'lease', epoch: 1, writerId: 'w' }],
    ['POST', `/v1/internal/fence/${KEYSPACE}`, { origin: 'paris', closes: 1, by: 9, nonce: 'n' }],
    ['POST', `/v1/internal/fill/${KEYSPACE}`, { origin: 'paris', epoch: 1, epochEnds: cut, from: ['tokyo'] }],
    ['POST', `/v1/internal/nominate/${KEYSPACE}`, { cause: 'failover', reason: 'r', version: 0, loss: null }],
    ['POST', `/v1/internal/abdicate/${KEYSPACE}`, { to: 'tokyo', resume: false }],
    ['POST', `/v1/internal/loss/${KEYSPACE}`, { heard: { heads: [1, 2], rows: [1, 2], unheardRows: 0 } }],
    [
      'POST',
      `/v1/internal/digest/${KEYSPACE}`,
      { id: 'x', at: { paris: [{ epoch: 1, seq: 2 }] }, gcWatermark: null, forMs: 5 },
    ],
    ['GET', `/v1/internal/digest/${KEYSPACE}?gcWatermark=5.1`],
    ['GET', `/v1/internal/copies/${KEYSPACE}`],
    ['GET', `/v1/internal/healthVote/${KEYSPACE}`],
    ['GET', `/v1/internal/positions/${KEYSPACE}`],
    ['GET', `/v1/internal/standing/${KEYSPACE}`],
    ['GET', `/v1/internal/tail/${KEYSPACE}/paris`],
    ['GET', '/v1/internal/ping?from=tokyo'],
    ['POST', `/v1/${KEYSPACE}/t/rows`, { rows: [{ k: 'a', n: 1, d: '1.25' }] }],
    ['PATCH', `/v1/${KEYSPACE}/t/rows/a`, { n: 2 }],
    ['DELETE', `/v1/${KEYSPACE}/t/rows/a?ack=local`],
    ['GET', `/v1/${KEYSPACE}/t/rows/a?read=local&timeoutMs=50`],
    ['GET', `/v1/${KEYSPACE}/t/rows/?limit=3`],
    [
      'POST',
      `/v1/${KEYSPACE}/t/scan`,
      {
        select: ['k', { sum: 'n', as: 's' }],
        where: [
          {
            or: [
              ['n', '=', 1],
              ['n', 'in', [2, 3]],
            ],
          },
        ],
        groupBy: ['k'],
        orderBy: [['k', 'asc']],
        limit: 5,
      },
    ],
    ['PUT', `/v1/keyspaces/${KEYSPACE}?dryRun=true`, FILE],
    ['GET', `/v1/keyspaces/${KEYSPACE}`],
    ['GET', '/v1/keyspaces'],
    ['GET', '/v1/status'],
    ['GET', '/v1/history?all=true'],
    ['GET', '/v1/history/none'],
    ['POST', '/v1/jobs', { kind: 'switchover', keyspace: KEYSPACE, to: 'tokyo', dryRun: true }],
    ['POST', '/v1/jobs', { kind: 'failover', keyspace: KEYSPACE, to: 'tokyo', dryRun: true, acceptLoss: 5 }],
    ['POST', '/v1/jobs', { kind: 'verify', keyspace: KEYSPACE }],
    ['POST', '/v1/jobs', { kind: 'repair', keyspace: KEYSPACE, with: 'tokyo' }],
    ['GET', '/v1/jobs/none'],
    ['POST', `/v1/watchdog/${KEYSPACE}/readmit`, { site: 'paris' }],
    ['GET', '/livez'],
    ['GET', '/readyz'],
    ['GET', `/primary?keyspace=${KEYSPACE}`],
    ['GET', '/metrics'],
  ];
}

const ODD: readonly ((random: Random) => Json)[] = [
  () => null,
  () => true,
  () => '',
  () => 'x'.repeat(5_000),
  () => '\u0000\ud83d\ude00',
  () => 2 ** 53 - 1,
  () => 2 ** 53 - 2,
  () => 9e15,
  () => -1,
  () => 1.5,
  () => 1e308,
  () => -(2 ** 63),
  () => [],
  () => ({}),
  () => Array.from({ length: 3_000 }, (_, i) => i),
  () => ({ constructor: 1, toString: null, hasOwnProperty: [] }),
  (random) => JSON.parse(`${'['.repeat(90)}${Math.floor(random.fraction() * 9)}${']'.repeat(90)}`) as Json,
  () => 'constructor',
  () => '../..',
  () => '%00',
  () => [[[]]],
];

function pick<T>(random: Random, all: readonly T[]): T {
  return all[Math.floor(random.fraction() * all.length)]!;
}

/** The same with one thing, or a few, replaced, left out or added, somewhere. */
function spoilt(random: Random, json: Json): Json {
  if (typeof json !== 'object' || json === null || random.fraction() < 0.15) return pick(random, ODD)(random);
  if (Array.isArray(json)) {
    if (json.length === 0) return [pick(random, ODD)(random)];
    const at = Math.floor(random.fraction() * json.length);
    return json.with(at, spoilt(random, json[at]));
  }
  const name = pick(random, Object.keys(json));
  const { [name]: inner, ...others } = json as Record<string, Json>;
  const dice = random.fraction();
  if (dice < 0.1) return others;
  if (dice < 0.2) return { ...json, [`${name}s`]: inner };
  return { ...others, [name ?? 'x']: spoilt(random, inner) };
}

const NAMES = [
  'travel',
  'nowhere',
  'internal',
  'keyspaces',
  '%00',
  '%2e%2e',
  'constructor',
  'x'.repeat(300),
  '%ff',
  'a b',
];

function draw(random: Random, value: Json): Asked {
  const [method, path, right] = pick(random, requests(value));
  let asked = path;
  if (random.fraction() < 0.15)
    asked = path.replace(pick(random, [KEYSPACE, 'paris', '/t/', 'none']), pick(random, NAMES));
  if (random.fraction() < 0.1)
    asked += `${path.includes('?') ? '&' : '?'}${pick(random, ['limit', 'read', 'x', 'cursor'])}=${pick(random, NAMES)}`;
  let body = right;
  for (
    let times = random.fraction() < 0.1 ? 0 : 1 + Math.floor(random.fraction() * 2);
    times > 0 && body !== undefined;
    times--
  ) {
    body = spoilt(random, body);
  }
  const type =
    random.fraction() < 0.9 ? 'application/json' : pick(random, ['application/x-ndjson', 'text/plain', 'x', '']);
  return { method, path: asked.replaceAll(' ', '%20'), body, type };
}

export type FuzzResult = { readonly requests: number; readonly byStatus: Readonly<Record<number, number>> };

/**
 * @param say told of the progress
 * @throws {Error} names the seed and the request that broke a promise
 */
export async function fuzzHttp(
  seed: number,
  count: number,
  say: (words: string) => void = () => {},
): Promise<FuzzResult> {
  const random = new SeededRandom(seed);
  const byStatus: Record<number, number> = {};
  await using sites = await EmbeddedSites.make({ requestTimeoutMs: 2_000 });
  await sites.startAll();
  await sites.define(FILE);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const urlOf = (site: string): string => sites.running.get(site)!.url;
  const ask = (site: string, { method, path, body, type }: Asked): Promise<Told> =>
    new Promise((resolve, reject) => {
      const sent = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const headers =
        sent === undefined ? {} : { 'content-length': sent.length, ...(type === '' ? {} : { 'content-type': type }) };
      const asking = request(`${urlOf(site)}${path}`, { method, agent, headers, timeout: ANSWER_MS }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const { 'content-type': got = '', 'retry-after': retryAfter } = answer.headers;
          resolve({
            status: answer.statusCode ?? 0,
            type: got,
            retryAfter,
            text: Buffer.concat(chunks).toString('utf8'),
          });
        });
      });
      asking.on('error', reject);
      asking.on('timeout', () => asking.destroy(new Error(`no answer in ${ANSWER_MS} ms`)));
      asking.end(sent);
    });
  const plain = (method: string, path: string, body?: Json): Asked => ({
    method,
    path,
    body,
    type: 'application/json',
  });
  const register = async (): Promise<Json> => {
    const told = await ask('paris', plain('POST', `/v1/internal/register/${KEYSPACE}`, { kind: 'read' }));
    return (JSON.parse(told.text) as RegisterAnswer).accepted?.value ?? null;
  };
  const state = async (): Promise<string> => {
    const parts = await Promise.all(
      SITE_NAMES.map(async (site) => {
        const digest = await ask(site, plain('GET', `/v1/internal/digest/${KEYSPACE}`));
        return digest.status === 200
          ? JSON.stringify((JSON.parse(digest.text) as { tables: object }).tables)
          : 'unread';
      }),
    );
    const file = await ask('paris', plain('GET', `/v1/keyspaces/${KEYSPACE}`));
    return [JSON.stringify(await register()), file.text, ...parts].join('\n');
  };
  let before = await state();
  for (let done = 0; done < count; done += BATCH) {
    const value = await register();
    const all = Array.from({ length: Math.min(BATCH, count - done) }, () => ({
      site: pick(random, SITE_NAMES),
      asked: draw(random, value),
    }));
    let changes = 0;
    const left = [...all];
    const worker = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const { site, asked } = next;
        const words = `seed ${seed}: ${asked.method} ${site}${asked.path} ${JSON.stringify(asked.body)?.slice(0, 400)}`;
        const told = await ask(site, asked).catch((error: unknown) => {
          throw new Error(`${words}: no answer`, { cause: error });
        });
        byStatus[told.status] = (byStatus[told.status] ?? 0) + 1;
        const broken = brokenBy(told);
        if (broken !== null) throw new Error(`${words}: ${told.status} ${broken}: ${told.text.slice(0, 400)}`);
        // What timed out may still be done.
        if (asked.method !== 'GET' && (told.status < 400 || told.status === 504)) changes++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const after = await state();
    if (changes === 0 && after !== before)
      throw new Error(`seed ${seed}: ${done} requests in: refused ones changed\n${before}\nto\n${after}`);
    before = after;
    if (done % 5_000 === 0) say(`${done} of ${count}: ${JSON.stringify(byStatus)}`);
  }
  for (const site of SITE_NAMES) {
    const told = await ask(site, plain('GET', '/readyz'));
    if (told.status !== 200) throw new Error(`seed ${seed}: ${site} is not ready afterwards: ${told.text}`);
  }
  agent.destroy();
  return { requests: count, byStatus };
}

/** What an answer must not be; null when it may. */
function brokenBy({ status, type, retryAfter }: Told): string | null {
  if (status >= 200 && status < 400) return null;
  if (!type.startsWith('application/problem+json')) return `is told as "${type}"`;
  if (status < 500 || status === 504) return null;
  if (status === 503) return retryAfter === undefined ? 'does not say when to come back' : null;
  return 'means nothing';
}
