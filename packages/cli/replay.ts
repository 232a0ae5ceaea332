/** `tidemark replay TABLE`: applies a range of a log or mirror again, into the same table or another. */

import type { Database } from '@tidemark/client';
import { lineBlocks, parseLine } from '@tidemark/client/ndjson';
import { splitTableName } from '@tidemark/client/table';
import { Fault, type FaultKind } from '@tidemark/world/fault';
import { EXIT } from './exit-code.ts';
import { command } from './invocation.ts';
import type { Output } from './output.ts';

type Flags = {
  readonly from?: string;
  readonly to?: string;
  readonly into?: string;
  readonly origin?: string;
  readonly dryRun?: boolean;
  readonly resume?: boolean;
};
type Facts = Readonly<Record<string, unknown>>;

export const replay = command<Flags>('replay <table>', 'apply a range of the log again', async (invocation, [name]) => {
  const { flags, output } = invocation;
  const { keyspace, name: table } = splitTableName(name!);
  await using db = await invocation.open();
  const at = flags.site ?? (await db.siteUrls())[0]!;
  const { from, to, into, origin, dryRun, resume } = flags;
  const job = { kind: 'replay', keyspace, table, from, to, into: tableIn(keyspace, into), origin, dryRun, resume };
  const id = await startJob(db, at, job);
  const facts = await followJob(db, at, id, output);
  output.result(facts, factsInWords(facts));
  return EXIT.done;
})
  .option(
    '--from <bound>',
    'start, end, +n, -n, an offset, epoch:seq, @time, -1h; or a whole range like :end (default: start)',
  )
  .option('--to <bound>', 'likewise, not included (default: end)')
  .option('--into <table>', 'another table, made like this one where it is missing')
  .option('--origin <site>', 'only what this site wrote')
  .option('--dry-run', 'count by verdict, apply nothing')
  .option('--resume', 'go on where an interrupted replay of the same range stopped');

/** The target's name within the keyspace. @throws {Fault} `invalid`: it is of another one. */
function tableIn(keyspace: string, into: string | undefined): string | undefined {
  if (into === undefined || !into.includes('.')) return into;
  const place = splitTableName(into);
  if (place.keyspace === keyspace) return place.name;
  const message = `--into ${into}: a replay stays in its keyspace, ${keyspace}`;
  throw new Fault('invalid', message, { got: place.keyspace, expected: keyspace });
}

async function startJob(db: Database, at: string, job: object): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  using reply = await db.ask({ site: at }, { method: 'POST', path: '/v1/jobs', headers, body: JSON.stringify(job) });
  const { id } = (await reply.response.json()) as { readonly id?: unknown };
  if (typeof id === 'string') return id;
  throw new Fault('unknown', `${reply.url}: the answer names no job`);
}

/** Follows a job to its end. @throws {Fault} of the job's own error, or `unknown` when the site stopped telling. */
async function followJob(db: Database, at: string, id: string, output: Output): Promise<Facts> {
  const what = `job ${id} at ${at}`;
  const request = { method: 'GET', path: `/v1/jobs/${id}`, headers: { accept: 'application/x-ndjson' } } as const;
  using reply = await db.ask({ site: at }, request);
  let facts: Facts = {};
  for await (const lines of lineBlocks(reply, what, db.idleMs)) {
    for (const line of lines) facts = parseLine(line, what);
    if (facts.state === 'running') output.progress(factsInWords(facts), null);
  }
  if (facts.state === 'done') return facts;
  if (facts.state !== 'failed') throw new Fault('unknown', `${what}: the site stopped telling before it ended`);
  const { kind, message } = (facts.error ?? {}) as { readonly kind?: FaultKind; readonly message?: string };
  throw new Fault(kind ?? 'unknown', `${what} failed: ${message ?? 'no reason given'}`);
}

const SAID_ELSEWHERE = new Set(['id', 'kind', 'state', 'keyspace']);

/** A job's facts as `records 1042, rows applied 1000`; whatever it tells is shown. */
function factsInWords(facts: Facts): string {
  return Object.entries(facts)
    .filter(([name, value]) => !SAID_ELSEWHERE.has(name) && value !== null && value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? factsInWords(value as Facts) : String(value)}`)
    .join(', ');
}
