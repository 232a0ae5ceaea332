/** Jobs of a site, as commands use them: started, followed to their end, and told in words. */

import type { Database } from '@tidemark/client';
import { lineBlocks, parseLine } from '@tidemark/client/ndjson';
import { Fault, type FaultKind } from '@tidemark/platform/fault';
import { EXIT, type ExitCode } from './exit-code.ts';
import type { Output } from './output/output.ts';

/** What a job tells of itself: `id`, `kind`, `state`, and the fields of its kind. */
export type JobFacts = Readonly<Record<string, unknown>>;

/**
 * Starts a job at a site (a name or an address; null for any) and follows it to its end.
 * @throws {Fault} of the job's own error, or `unknown` when the site stopped telling
 */
export async function runJob(db: Database, at: string | null, job: object, output: Output): Promise<JobFacts> {
  // A job is followed where it runs, so it has to be one site.
  const site = at ?? (await db.siteUrls())[0]!;
  return followJob(db, site, await startJob(db, site, job), output);
}

async function startJob(db: Database, at: string, job: object): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  using reply = await db.ask({ site: at }, { method: 'POST', path: '/v1/jobs', headers, body: JSON.stringify(job) });
  const { id } = (await reply.response.json()) as { readonly id?: unknown };
  if (typeof id === 'string') return id;
  throw new Fault('unknown', `${reply.url}: the answer names no job`);
}

async function followJob(db: Database, at: string, id: string, output: Output): Promise<JobFacts> {
  const what = `job ${id} at ${at}`;
  const request = { method: 'GET', path: `/v1/jobs/${id}`, headers: { accept: 'application/x-ndjson' } } as const;
  using reply = await db.ask({ site: at }, request);
  let facts: JobFacts = {};
  for await (const lines of lineBlocks(reply, what, db.idleMs)) {
    for (const line of lines) facts = parseLine(line, what);
    if (facts.state === 'running') output.progress(factsInWords(facts), null);
  }
  if (facts.state === 'done') return facts;
  if (facts.state !== 'failed') throw new Fault('unknown', `${what}: the site stopped telling before it ended`);
  const { kind, message } = (facts.error ?? {}) as { readonly kind?: FaultKind; readonly message?: string };
  throw new Fault(kind ?? 'unknown', `${String(facts.kind)}: ${message ?? 'no reason given'}`);
}

/** The exit code of a job that came to its end: a rule may have refused it, or a site is no full member yet. */
export function exitCodeOfJob(facts: JobFacts): ExitCode {
  if (facts.outcome === 'refused') return EXIT.refused;
  if (facts.member === 'RECOVERING') return EXIT.unavailable;
  return facts.outcome === 'failed' || facts.outcome === 'superseded' ? EXIT.failed : EXIT.done;
}

const SAID_ELSEWHERE = new Set(['id', 'kind', 'state', 'keyspace']);

/** A job's facts as `records 1042, rows applied 1000`; whatever it tells is shown. */
export function factsInWords(facts: JobFacts): string {
  return Object.entries(facts)
    .filter(([name, value]) => !SAID_ELSEWHERE.has(name) && value !== null && value !== undefined)
    .map(([name, value]) => `${inWords(name)} ${valueInWords(value)}`)
    .join(', ');
}

/** `caughtUpMs` → `caught up ms`, `ACCEPT` → `accept`. */
function inWords(name: string): string {
  if (/^[A-Z_]+$/.test(name)) return name.toLowerCase().replaceAll('_', ' ');
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function valueInWords(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(valueInWords).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  const { name, ms } = value as { readonly name?: unknown; readonly ms?: unknown };
  return typeof name === 'string' && typeof ms === 'number' ? `${name} ${ms} ms` : factsInWords(value as JobFacts);
}
