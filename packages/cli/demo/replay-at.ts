/** A site's whole log and mirrors applied again, into a scratch table. */

import { Fault } from '@tidemark/platform/fault';
import { TABLE } from '../drill/stage.ts';
import { digestOf, type EqualDigest } from './site-facts.ts';

type Replayed = { readonly records: number; readonly rows: number; readonly equal: boolean };

const INTO = 'flights_replayed';

type ReplayEnd = { readonly state: string; readonly records?: number };

/**
 * @param origins whose records, in the order of their terms
 * @throws {Fault} `unavailable`: the site does not take the job
 */
export async function replayAt(
  url: string,
  keyspace: string,
  origins: readonly string[],
  expected: EqualDigest | null,
): Promise<Replayed> {
  let records = 0;
  let isDone = true;
  for (const [i, origin] of origins.entries()) {
    // Each one goes on in the table that the ones before it began.
    const job = { kind: 'replay', keyspace, table: TABLE, from: 'start', to: 'end', into: INTO, origin };
    const end = await runReplay(url, i === 0 ? job : { ...job, resume: true });
    records += end.records ?? 0;
    isDone &&= end.state === 'done';
  }
  const { scratch } = await digestOf(url, keyspace, expected?.gcWatermark ?? null);
  const found = scratch[INTO];
  return { records, rows: found?.rows ?? 0, equal: isDone && found !== undefined && found.hash === expected?.hash };
}

async function runReplay(url: string, job: object): Promise<ReplayEnd> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify(job) });
  if (response.status !== 202) throw new Fault('unavailable', `replay: ${response.status} ${await response.text()}`);
  const { id } = (await response.json()) as { id: string };
  const progress = await (await fetch(`${url}/v1/jobs/${id}`)).text();
  return JSON.parse(progress.trim().split('\n').at(-1)!) as ReplayEnd;
}
