/**
 * `node test/house/write-way.ts [kafka://host:port,…]`: the way of one write, from the HTTP request to its bytes in a log,
 * as the stack says at each place where it is handed on: put in line, appended, written. SQLite, where no broker is named.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initialValue } from '@tidemark/control/consensus/register-value';
import { KafkaLog } from '@tidemark/log/kafka/kafka-log';
import type { Log } from '@tidemark/log/log';
import { SqliteFile } from '@tidemark/log/sqlite/sqlite-file';
import { SqliteLog } from '@tidemark/log/sqlite/sqlite-log';
import { topicNames } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { SILENT } from '@tidemark/platform/logger';
import { HttpNetwork } from '@tidemark/platform/network';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { SeededRandom } from '@tidemark/platform/random';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SystemClock } from '@tidemark/platform/system-clock';
import { TIMING } from '@tidemark/platform/timing';
import { NO_CHAIN } from '@tidemark/record/envelope';
import { sealRecord } from '@tidemark/record/seal';
import { Appender } from '@tidemark/writer/appending/appender';
import { registerWriterRoutes } from '@tidemark/writer/ingress/http';
import { Writer } from '@tidemark/writer/writer';
import fastify from 'fastify';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FRAMES_MAX = 60;
const clock = new SystemClock();

/** One call on the way. */
export type Frame = { readonly file: string; readonly call: string };

/** Where it is handed on, and the calls up to there since the last such place. */
export type Stretch = { readonly to: 'line' | 'log' | 'bytes'; readonly frames: readonly Frame[] };

type Method = (this: unknown, ...rest: unknown[]) => unknown;

/** Our own frames, outermost first; those of the function that asks left out. */
function ownFrames(): Frame[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES_MAX;
  Error.prepareStackTrace = (_, sites) => sites;
  const sites = new Error().stack as unknown as NodeJS.CallSite[];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  const own = sites.flatMap((site) => {
    const name = site.getFileName() ?? '';
    const file = relative(ROOT, name.startsWith('file:') ? fileURLToPath(name) : name);
    if (!/^(packages|services)\//.test(file)) return [];
    return [{ file, call: site.getFunctionName() ?? `a function at line ${site.getLineNumber()}` }];
  });
  return own.reverse();
}

/** Notes the stack of the first call of a method while `isOn`. */
function watch(owner: object, name: string, isOn: () => boolean, note: (frames: Frame[]) => void): Disposable {
  const methods = owner as Record<string, Method>;
  const own = methods[name]!;
  let noted = false;
  methods[name] = function (this: unknown, ...rest: unknown[]): unknown {
    if (isOn() && !noted) {
      const frames = ownFrames();
      // Somebody else's, as that of a timer.
      noted = frames.length > 0;
      if (noted) note(frames);
    }
    return own.apply(this, rest);
  };
  return {
    [Symbol.dispose]: () => {
      methods[name] = own;
    },
  };
}

/** The way of one row by JSON at ack `local`. @param brokers `host:port` of Kafka; null: a SQLite file */
export async function wayOfWrite(brokers: readonly string[] | null): Promise<Stretch[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-way-'));
  const name = `way${process.pid}`;
  const keyspace = travelKeyspace({ keyspace: name, sites: { paris: 'data' } });
  await using log: Log =
    brokers === null
      ? await SqliteLog.open(join(folder, 'log.sqlite'), { mode: 'owner', clock })
      : await KafkaLog.connect(brokers, { clock, clientId: 'way' });
  const place = { cluster: 'c', keyspace: name, origin: 'paris', partition: 0 };
  const head = { ...place, epoch: 0, seq: -1, stampMs: 0, stampCounter: 0, writer: 0, committed: -1 };
  const genesis = (): Buffer => sealRecord({ ...head, body: { kind: 'Genesis', logId: 'l1' } }, NO_CHAIN).bytes;
  await log.ensureTopic({ name: topicNames.log(name, 'paris'), partitions: 1, flushed: true, genesis });
  const first = initialValue(keyspace);
  const members = first.members.map((member) => ({ ...member, logIds: { paris: 'l1' } }));
  const value = { ...first, members, terms: [{ epoch: 1, site: 'paris', writerId: 'w', epochEnds: null }] };
  const writer = await Writer.start({
    ...{
      cluster: 'c',
      site: 'paris',
      keyspace,
      log,
      disk: new NodeDisk(folder),
      clock,
      timing: TIMING,
      logger: SILENT,
    },
    ...{ random: new SeededRandom(7), network: new HttpNetwork(), peers: new Map(), mayAck: () => true },
    elected: { value, epoch: 1, writerId: 'w' },
    onEnded: () => {},
    onCommitted: () => {},
  });
  const app = fastify();
  const parts = { site: 'paris', clock, pending: new SharedMemory(1e9), requestTimeoutMs: 10_000 };
  registerWriterRoutes(app, { ...parts, writerOf: () => writer });
  const way: Stretch[] = [];
  let isOn = false;
  // The line is gone through by the appender, and a commit or a request takes several appends: the stack begins anew.
  const note = (to: Stretch['to'], frames: Frame[]): unknown => way.push({ to, frames });
  const after = (to: Stretch['to'] | null) => (): boolean => isOn && (way.at(-1)?.to ?? null) === to;
  using _line = watch(Appender.prototype, 'enqueue', after(null), (all) =>
    note('line', [...all, { file: 'services/writer/appending/appender.ts', call: 'Appender.enqueue' }]),
  );
  const file = brokers === null ? 'packages/log/sqlite/sqlite-log.ts' : 'packages/log/kafka/kafka-log.ts';
  const logClass = brokers === null ? SqliteLog : KafkaLog;
  using _log = watch(logClass.prototype, 'append', after('line'), (all) =>
    note('log', [...all, { file, call: `${logClass.name}.append` }]),
  );
  using _bytes =
    brokers === null
      ? watch(SqliteFile.prototype, 'append', after('log'), (all) =>
          note('bytes', [...all, { file: 'packages/log/sqlite/sqlite-file.ts', call: 'SqliteFile.append' }]),
        )
      : watch(Socket.prototype, 'write', after('log'), (all) => note('bytes', all));
  isOn = true;
  const { statusCode, payload } = await app.inject({
    ...{ method: 'POST', url: `/v1/${name}/t/rows`, payload: { rows: [{ k: 'a' }] } },
  });
  isOn = false;
  await writer[Symbol.asyncDispose]();
  await app.close();
  await rm(folder, { recursive: true });
  if (statusCode !== 200) throw new Error(`the write was answered ${statusCode}: ${payload}`);
  return way;
}

/** Frames, and files among them, of some stretches. */
export function countsOf(way: readonly Stretch[]): { readonly frames: number; readonly files: number } {
  const frames = way.flatMap((stretch) => stretch.frames);
  return { frames: frames.length, files: new Set(frames.map(({ file }) => file)).size };
}

if (import.meta.main) {
  const address = process.argv[2]?.replace('kafka://', '');
  const way = await wayOfWrite(address === undefined ? null : address.split(','));
  for (const { to, frames } of way) {
    console.log(`to the ${to}`);
    for (const { file, call } of frames) console.log(`  ${call.padEnd(34)} ${file}`);
  }
  const toLog = countsOf(way.filter(({ to }) => to !== 'bytes'));
  const all = countsOf(way);
  console.log(`\nto the log: ${toLog.frames} frames, ${toLog.files} files; to its bytes: ${all.frames}, ${all.files}`);
}
