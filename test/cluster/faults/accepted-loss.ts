/** Row 44: one partition's copies lag far behind when the primary of a `local` keyspace is lost, and a loss is accepted. */

import { rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeBack } from '@tidemark/cli/drill/returned';
import { type JobFacts, runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect, isFault } from '@tidemark/client';
import { integerBetween } from '@tidemark/platform/random';
import { type FaultRow, promise, TAKEOVER_MS_MAX } from './stage/fault-row.ts';

const SILENT = new Output(true, { write: () => true }, { write: () => true });
const MANY = 1_000_000;
const ROWS_MAX = 20;
const CALM_MS = 1_000;
const ANSWER_MS_MAX = 2_000;

/** Writes rows of new keys to one site until stopped, and keeps which were acked. */
class Client {
  readonly acked = new Set<string>();
  #n = 0;

  async write(url: string, keyspace: string, forMs: number): Promise<void> {
    for (const untilMs = performance.now() + forMs; performance.now() < untilMs; ) {
      const rows = Array.from({ length: 1 + (this.#n % ROWS_MAX) }, () => ({ k: `row-${++this.#n}`, n: this.#n }));
      const response = await fetch(`${url}/v1/${keyspace}/probes/rows?timeoutMs=${ANSWER_MS_MAX}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ rows }),
      }).catch(() => null);
      if (response?.ok === true) for (const { k } of rows) this.acked.add(k);
      await response?.body?.cancel();
    }
  }
}

async function rowsAt(url: string, keyspace: string): Promise<Set<string>> {
  const response = await fetch(`${url}/v1/${keyspace}/probes/scan`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ select: ['k'] }),
  });
  const lines = (await response.text()).trim().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as { readonly k?: string; readonly $end?: unknown });
  promise(rows.at(-1)?.$end !== undefined, `a scan did not end: ${lines.at(-1)}`);
  return new Set(rows.flatMap(({ k }) => (k === undefined ? [] : [k])));
}

/** Also what is refused, as its facts. */
async function jobAt(url: string, job: object): Promise<JobFacts> {
  await using db = await connect([url], { timeoutMs: TAKEOVER_MS_MAX });
  try {
    return await runJob(db, url, job, SILENT);
  } catch (error) {
    if (!isFault(error)) throw error;
    return { outcome: 'refused', words: error.message };
  }
}

export const acceptedLoss: FaultRow = {
  row: 44,
  name: 'accepted-loss',
  fault: "failover with an accepted loss while one partition's copy lags",
  promise: 'at most what was told and accepted is lost, to the row; refused above it',
  sizeIs: 'failovers',
  small: 1,
  large: 30,
  mutants: ['loss-not-counted'],
  engine: 'embedded',
  keyspace: { keyspace: 'acceptedloss', ack: 'local' },
  injected: 'copies-of-partition-1-stuck',
  run: async ({ stage, size, random, say, stuckFile }) => {
    const { keyspace } = stage;
    const client = new Client();
    let lostInAll = 0;
    let toldInAll = 0;
    for (let run = 0; run < size; run++) {
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const site = stage.site(before.site);
      await client.write(site.url, keyspace, CALM_MS);
      await writeFile(stuckFile, '');
      await client.write(site.url, keyspace, integerBetween(random, 200, 3_000));
      await site.takeAway();
      await rm(stuckFile);
      const to = stage.others(site.name)[run % 2]!;
      const job = { kind: 'failover', keyspace, to: to.name };
      // The others may still take it for alive.
      let dry = await jobAt(to.url, { ...job, dryRun: true, acceptLoss: MANY });
      for (let n = 0; n < 20 && dry.outcome !== 'done'; n++) {
        await sleep(500);
        dry = await jobAt(to.url, { ...job, dryRun: true, acceptLoss: MANY });
      }
      const told = Number(dry.estimatedLoss);
      const none = await jobAt(to.url, { ...job, acceptLoss: 0 });
      promise(told === 0 || none.outcome === 'refused', `a loss of 0 was accepted: ${JSON.stringify(none)}`);
      const same = await stage.successor(before, 0);
      promise(told === 0 || same === null, `what was refused moved it to ${same?.site}`);
      const facts = await jobAt(to.url, { ...job, acceptLoss: told });
      promise(facts.outcome === 'done', `${told} rows were told and accepted: ${JSON.stringify(facts)}`);
      await stage.mustSucceed(before, TAKEOVER_MS_MAX);
      await sleep(CALM_MS);
      const there = await rowsAt(to.url, keyspace);
      const lost = [...client.acked].filter((row) => !there.has(row));
      const counted = Number((facts.lost as { readonly rows?: number } | null)?.rows);
      say(
        `run ${run + 1}: ${lost.length} of ${client.acked.size} acked rows lost, ${counted} counted, ${told} told and accepted`,
      );
      promise(lost.length <= counted, `${lost.length} rows are lost, ${counted} were counted before the commit`);
      promise(counted <= told, `${counted} rows were counted, and ${told} accepted`);
      lostInAll += lost.length;
      toldInAll += told;
      for (const row of lost) client.acked.delete(row);
      await site.bringBack();
      const { exported } = await takeBack(site, keyspace);
      promise(exported >= lost.length, `${lost.length} rows are lost and ${exported} were exported`);
    }
    return { failovers: size, rowsLost: lostInAll, rowsTold: toldInAll };
  },
};
