/**
 * What one client, one disk, one broker or one slip does to three sites in a bad week, and what an operator then does: only
 * what the product itself names. Each day ends with all sites ready.
 */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeBack } from '@tidemark/cli/drill/returned';
import { type Stage, TABLE } from '@tidemark/cli/drill/stage';
import { runJob } from '@tidemark/cli/job';
import { Output } from '@tidemark/cli/output/output';
import { connect } from '@tidemark/client';
import type { DevSite } from '@tidemark/dev/sites';
import { topicNames } from '@tidemark/model/table';
import { messageOf } from '@tidemark/platform/fault';
import { SeededRandom } from '@tidemark/platform/random';
import kafkajs from 'kafkajs';
import { filesIn, flip } from '../damage/harm.ts';
import { promise, TAKEOVER_MS_MAX } from '../faults/stage/fault-row.ts';
import { logAt } from '../faults/stage/fold-of.ts';

const READY_MS_MAX = 120_000;
const POLL_MS = 250;
const TERMS = 2_000;
const SCANS = 4;
const AWAY_MS = 1_000;
const READ_MS = 3_000;
const SILENT = new Output(true, { write: () => true }, { write: () => true });
const random = new SeededRandom(1);

export type Day = {
  readonly name: string;
  /** Only with brokers. */
  readonly needsKafka: boolean;
  /** @returns what the operator did, in words @throws {BrokenPromise} what did not hold */
  readonly run: (stage: Stage) => Promise<string>;
};

const post = (site: DevSite, path: string, body: string): Promise<Response> =>
  fetch(`${site.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });

async function untilReady({ sites }: Stage): Promise<void> {
  const notReady = async (site: DevSite): Promise<string | null> => {
    const answer = await fetch(`${site.url}/readyz`).catch(() => null);
    return answer?.ok === true ? null : `${site.name}: ${(await answer?.text()) ?? 'does not answer'}`;
  };
  let left: string[] = [];
  for (const untilMs = performance.now() + READY_MS_MAX; performance.now() < untilMs; await sleep(POLL_MS)) {
    left = (await Promise.all(sites.map(notReady))).filter((why) => why !== null);
    if (left.length === 0) return;
  }
  promise(false, `not ready after ${READY_MS_MAX} ms: ${left.join('; ').slice(0, 500)}`);
}

/** Starts the sites whose process has ended. @returns how each ended, with its last lines */
async function startEnded({ sites }: Stage): Promise<string[]> {
  const told: string[] = [];
  for (const site of sites.filter(({ isRunning }) => !isRunning)) {
    told.push(messageOf(await site.endFault()));
    await site.kafka?.restart();
    await site.start().catch((error: unknown) => told.push(messageOf(error)));
  }
  return told;
}

/** A data site that does not write, and the one that does. */
async function parted(stage: Stage): Promise<{ readonly primary: DevSite; readonly replica: DevSite }> {
  const { site } = await stage.primary(TAKEOVER_MS_MAX);
  return { primary: stage.site(site), replica: stage.others(site)[0]! };
}

const numbers = Array.from({ length: TERMS }, (_, i) => i);
/** The same many terms as equal ones, as a list, and as ones that no list can stand for. */
const MANY_TERMS: readonly unknown[] = [
  { or: numbers.map((i) => ['delay', '=', i]) },
  ['delay', 'in', numbers],
  { or: numbers.map((i) => [i % 2 === 0 ? 'delay' : 'distance', '>=', i]) },
];

/** @returns the status: it was answered, or told when to come again @throws {BrokenPromise} any other answer */
async function scanned(stage: Stage, site: DevSite, where: unknown): Promise<number> {
  const body = JSON.stringify({ where: [where], select: ['origin'] });
  const answer = await post(site, `/v1/${stage.keyspace}/${TABLE}/scan`, body);
  const { status } = answer;
  const text = await answer.text();
  const isRefused = status === 503 && answer.headers.has('retry-after');
  promise(status === 200 || isRefused, `a scan of ${TERMS} terms was answered ${status}: ${text.slice(0, 200)}`);
  return status;
}

async function job(stage: Stage, at: DevSite | null, asked: object): Promise<string> {
  await using db = await connect(at === null ? stage.urls : [at.url], { timeoutMs: 60_000, idleMs: 60_000 });
  const facts = await runJob(db, at?.url ?? null, { keyspace: stage.keyspace, ...asked }, SILENT);
  return String(facts.outcome ?? facts.state);
}

/** Until the site is a member again: by itself, or by the command. */
async function back(stage: Stage, site: DevSite): Promise<string> {
  await untilReady(stage);
  await takeBack(site, stage.keyspace);
  return `return ${site.name}`;
}

export const DAYS: readonly Day[] = [
  {
    name: 'a reader asks for thousands of terms, again and again',
    needsKafka: false,
    run: async (stage) => {
      const { primary } = await parted(stage);
      const { epoch } = await stage.primary(TAKEOVER_MS_MAX);
      const asked = Array.from({ length: SCANS }, () => MANY_TERMS.map((where) => scanned(stage, primary, where)));
      const statuses = await Promise.all(asked.flat());
      promise((await stage.primary(TAKEOVER_MS_MAX)).epoch === epoch, 'a reader moved the primary');
      return `nothing: answered ${[...new Set(statuses)].sort().join(' or ')}`;
    },
  },
  {
    name: 'forged and oversized requests at every site',
    needsKafka: false,
    run: async (stage) => {
      const { keyspace, sites } = stage;
      const ballot = { counter: Number.MAX_SAFE_INTEGER, site: 'tokyo', process: 'p' };
      for (const site of sites) {
        for (const [path, body] of [
          [`/v1/internal/register/${keyspace}`, JSON.stringify({ kind: 'prepare', ballot })],
          [`/v1/internal/nominate/${keyspace}`, JSON.stringify({ cause: 'start', reason: 'x'.repeat(5_000_000) })],
          [`/v1/internal/fence/${keyspace}`, JSON.stringify({ origin: 'paris', closes: 1, by: 9e15, nonce: 'n' })],
          [`/v1/${keyspace}/${TABLE}/rows`, `{"rows":[{"origin":${'['.repeat(6_000)}${']'.repeat(6_000)}}]}`],
        ] as const) {
          const answer = await post(site, path, body);
          await answer.text();
          const { status } = answer;
          promise(status >= 300 && status < 500, `${site.name} answered ${path} with ${status}`);
        }
      }
      promise(
        sites.every((site) => site.isRunning),
        'a site ended',
      );
      return 'nothing: refused';
    },
  },
  {
    name: "derived files of a replica's disk are damaged",
    needsKafka: false,
    run: async (stage) => {
      const { replica } = await parted(stage);
      await replica.kill();
      const files = await filesIn(replica.folder);
      const wanted = [/key\.col$/, /checkpoints\/applier\/.*\.json$/, /checkpoints\/mirror\/.*\.json$/];
      for (const one of wanted) {
        const found = files.find((path) => one.test(path));
        if (found !== undefined && (await stat(join(replica.folder, found))).size > 0)
          await flip(join(replica.folder, found), random);
      }
      await replica.start();
      return back(stage, replica);
    },
  },
  {
    name: 'a mirror topic is deleted under a running site',
    needsKafka: true,
    run: async (stage) => {
      const { primary, replica } = await parted(stage);
      await deleteTopic(replica, topicNames.mirror(stage.keyspace, primary.name));
      await sleep(AWAY_MS);
      promise(replica.isRunning, `${replica.name} ended`);
      return back(stage, replica);
    },
  },
  {
    name: "a byte in the middle of a mirror's segment, and the column files are gone",
    needsKafka: true,
    run: async (stage) => {
      const { primary, replica } = await parted(stage);
      await replica.kill();
      await replica.kafka!.stop();
      const data = join(replica.kafka!.folder, 'data');
      const topic = topicNames.mirror(stage.keyspace, primary.name);
      for (const folder of (await readdir(data)).filter((name) => name.startsWith(`${topic}-`))) {
        const segment = (await readdir(join(data, folder))).find((name) => name.endsWith('.log'))!;
        if ((await stat(join(data, folder, segment))).size > 0) await flip(join(data, folder, segment), random);
      }
      await rm(join(replica.folder, stage.keyspace), { recursive: true, force: true });
      await replica.kafka!.start();
      await replica.start();
      return back(stage, replica);
    },
  },
  {
    name: "the primary's log is trimmed past a stopped site",
    needsKafka: true,
    run: async (stage) => {
      const { primary, replica } = await parted(stage);
      await replica.kill();
      await sleep(AWAY_MS);
      {
        await using log = await logAt(primary);
        const topic = topicNames.log(stage.keyspace, primary.name);
        const ends: number[] = [];
        for (let partition = 0; partition < (await log.partitionCount(topic))!; partition++)
          ends.push((await log.bounds(topic, partition)).end);
        // Past the stopped site only: the primary itself and the third site have read so far by then.
        await sleep(READ_MS);
        for (const [partition, end] of ends.entries()) await log.trim(topic, partition, end);
      }
      await replica.start();
      await back(stage, replica);
      const moved = await job(stage, null, { kind: 'switchover', to: replica.name });
      promise(moved === 'done', `the switchover away from the trimmed log: ${moved}`);
      await primary.stop();
      await primary.start();
      return `switchover --to ${replica.name}, restart, ${await back(stage, primary)}`;
    },
  },
  {
    name: 'the control topic of a replica is deleted under it',
    needsKafka: true,
    run: async (stage) => {
      const { primary, replica } = await parted(stage);
      await deleteTopic(replica, topicNames.control);
      let status = 0;
      const asked = JSON.stringify({ site: replica.name });
      for (const untilMs = performance.now() + READY_MS_MAX; status !== 200 && performance.now() < untilMs; ) {
        await sleep(AWAY_MS);
        status = (await post(primary, `/v1/watchdog/${stage.keyspace}/readmit`, asked)).status;
      }
      promise(replica.isRunning, `${replica.name} ended`);
      promise(status === 200, `readmit ${replica.name}: ${status}`);
      return `readmit ${replica.name}`;
    },
  },
  {
    name: "the primary's broker dies, its process lives",
    needsKafka: true,
    run: async (stage) => {
      const { primary, replica } = await parted(stage);
      await primary.kafka!.kill();
      let outcome = '';
      for (const untilMs = performance.now() + READY_MS_MAX; performance.now() < untilMs; await sleep(AWAY_MS)) {
        if ((await stage.primary(TAKEOVER_MS_MAX)).site !== primary.name) break;
        outcome = await job(stage, primary, { kind: 'failover', to: replica.name }).catch(messageOf);
        if (outcome === 'done') break;
      }
      const now = await stage.primary(TAKEOVER_MS_MAX);
      promise(now.site !== primary.name, `${primary.name} still writes: ${outcome}`);
      await primary.kafka!.restart();
      return `failover --to ${replica.name}, ${await back(stage, primary)}`;
    },
  },
  {
    name: 'a reserved name for a keyspace',
    needsKafka: false,
    run: async (stage) => {
      const { primary } = await parted(stage);
      for (const name of ['tails', 'watchdog', 'jobs', 'temp']) {
        const file = JSON.stringify({ ...stage.file, keyspace: name });
        const headers = { 'content-type': 'application/json' };
        const { status } = await fetch(`${primary.url}/v1/keyspaces/${name}`, { method: 'PUT', headers, body: file });
        promise(status === 400, `keyspace ${name}: ${status}`);
      }
      return 'nothing: refused';
    },
  },
];

async function deleteTopic(site: DevSite, topic: string): Promise<void> {
  const { Kafka, logLevel } = kafkajs;
  const admin = new Kafka({ brokers: [site.kafka!.address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await admin.disconnect();
  }
}

export { back, job, parted, startEnded, untilReady };
