/**
 * `npm run bench links`: what one request over a connection to a broker costs this process, ours beside `Connection` of
 * `@platformatic/kafka`, with the same bytes and a broker that answers at once. docs/performance.md has what it printed.
 */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { KafkaLink } from '@tidemark/log/kafka/link';
import { API } from '@tidemark/log/kafka/wire';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type Figure, figureOf, print } from '../measure.ts';

const RUNS = 5;
const DEADLINE_MS = 10_000;
const PEER = new URL('node_modules/@platformatic/kafka/dist/index.js', import.meta.url);
const OURS = new URL('../../../packages/log/kafka/link.ts', import.meta.url);

/** The peer, as far as it is used here. */
type Writer = { append(bytes: Uint8Array): Writer };
type Connection = {
  connect(host: string, port: number): Promise<void>;
  close(): Promise<void>;
  send(
    apiKey: number,
    apiVersion: number,
    create: () => Writer,
    parse: (id: number, key: number, version: number, reader: { buffer: { slice(): Buffer } }) => Buffer,
    hasRequestTags: boolean,
    hasResponseTags: boolean,
    done: (error: Error | null, answer?: Buffer) => void,
  ): void;
};
type Peer = { readonly Connection: new (clientId: string) => Connection; readonly Writer: { create(): Writer } };

/** Sends a request and resolves with how many bytes came back. */
type Send = (apiKey: number, body: readonly Buffer[]) => Promise<number>;

const HEAD = Buffer.alloc(100);
const RECORDS = Buffer.alloc(256 * 1024);
/** What a request is like, and how many make a run. */
const REQUESTS = {
  'an append of 100 bytes': { apiKey: API.produce.apiKey, body: [HEAD], count: 4_000 },
  'an append of 1 MiB': {
    apiKey: API.produce.apiKey,
    body: Array.from({ length: 4 }, () => [HEAD, RECORDS]).flat(),
    count: 500,
  },
  'a fetch of 1 MiB': { apiKey: API.fetch.apiKey, body: [HEAD], count: 500 },
} as const;

/** Prints processor time of this process's thread by request, and what loading each client costs a process. */
export async function measureLinks(): Promise<object> {
  if (!existsSync(PEER)) install();
  const broker = new Worker(new URL('answering.ts', import.meta.url));
  const [port] = (await once(broker, 'message')) as [number];
  const clients = { ours: await ours(port), '@platformatic/kafka': await theirs(port) };
  const closing: Record<string, object> = {};
  for (const [what, { apiKey, body, count }] of Object.entries(REQUESTS)) {
    const spent = new Map(Object.keys(clients).map((name) => [name, [] as number[]]));
    const answers = new Set<number>();
    for (let run = -1; run < RUNS; run++) {
      for (const [name, send] of Object.entries(clients)) {
        const start = process.threadCpuUsage();
        for (let i = 0; i < count; i++) answers.add(await send(apiKey, body));
        const { user, system } = process.threadCpuUsage(start);
        if (run >= 0) spent.get(name)!.push((user + system) / count);
      }
    }
    if (answers.size !== 1) throw new Error(`${what}: answers of ${[...answers].join(', ')} bytes`);
    const figures = [...spent].map(([name, values]): [string, Figure] => [name, figureOf(values)]);
    print(`  ${what}, processor time in µs`);
    for (const [name, { median, min, max }] of figures)
      print(`    ${name.padEnd(22)} ${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)} in ${RUNS} runs)`);
    closing[what] = Object.fromEntries(figures.map(([name, { median }]) => [name, Math.round(median)]));
  }
  await broker.terminate();
  const loading = { ours: loadingOf(OURS), '@platformatic/kafka': loadingOf(PEER) };
  print('  loading it in a process: processor time in ms, resident memory in MB');
  for (const [name, { ms, mb }] of Object.entries(loading)) print(`    ${name.padEnd(22)} ${ms} ms, ${mb} MB`);
  return { bench: 'links', ...closing, loading };
}

async function ours(port: number): Promise<Send> {
  const options = { clock: new SystemClock(), clientId: 'bench', openMsMax: DEADLINE_MS };
  const link = await KafkaLink.open(`127.0.0.1:${port}`, options);
  const decode = (answer: Buffer): number => answer.length;
  return (apiKey, body) => link.send({ apiKey, apiVersion: 13, body, decode }, DEADLINE_MS);
}

async function theirs(port: number): Promise<Send> {
  const peer = (await import(PEER.href)) as Peer;
  const connection = new peer.Connection('bench');
  await connection.connect('127.0.0.1', port);
  return (apiKey, body) =>
    new Promise((resolve, reject) => {
      const create = (): Writer => body.reduce((writer, part) => writer.append(part), peer.Writer.create());
      const parse = (_id: number, _key: number, _version: number, reader: { buffer: { slice(): Buffer } }) =>
        reader.buffer.slice();
      connection.send(apiKey, 13, create, parse, false, false, (error, answer) =>
        error ? reject(error) : resolve(answer!.length),
      );
    });
}

/** In a process of its own, after which everything has been collected. */
function loadingOf(module: URL): { ms: number; mb: number } {
  const program = `
    const before = process.memoryUsage.rss();
    const start = process.cpuUsage();
    await import(${JSON.stringify(module.href)});
    const { user, system } = process.cpuUsage(start);
    gc();
    console.log(JSON.stringify({ ms: (user + system) / 1000, bytes: process.memoryUsage.rss() - before }));`;
  const words = ['--expose-gc', '--input-type=module', '-e', program];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (stdout === '') throw new Error(`loading ${module.href}: ${stderr}`);
  const { ms, bytes } = JSON.parse(stdout) as { ms: number; bytes: number };
  return { ms: Math.round(ms), mb: Math.round(bytes / 1e6) };
}

function install(): void {
  process.stderr.write('installing @platformatic/kafka (10 MB) into test/bench/links …\n');
  const words = ['install', '--package-lock=false', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const { status } = spawnSync('npm', words, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`npm ${words.join(' ')} in test/bench/links ended with ${status}`);
}
