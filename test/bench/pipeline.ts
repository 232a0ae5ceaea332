/**
 * The whole pipeline measured: rows acked and decoded beside a peer in the same run, rows applied at three sites, lag
 * beside MirrorMaker 2, memory and idle time of every process. Each measure is bounded; all of them take 4 minutes at most.
 */

import { cpus } from 'node:os';
import { join } from 'node:path';
import { existingKafka } from '@tidemark/dev/existing';
import { KafkaServer } from '@tidemark/dev/kafka/kafka';
import type { Reaper } from '@tidemark/dev/reaper';
import type { DevSite } from '@tidemark/dev/sites';
import { measureAcked } from './acked.ts';
import { measureDecoding } from './decoding.ts';
import { flightLines, flightsKeyspace, flightsOf } from './flight-rows.ts';
import { print, printFigures, short, shortFigures, spread } from './measure.ts';
import { type MirrorMakerFigures, measureMirrorMaker } from './mirror-maker.ts';
import { measureSites, type SitesFigures, type SitesOptions } from './three-sites.ts';

export const MEASURES = ['decode', 'acked', 'kafka', 'embedded'] as const;
export type Measure = (typeof MEASURES)[number];

/** Most rows a second that are asked of MirrorMaker 2's producer. */
const PEER_ROWS_MAX = 100_000;

export type PipelineOptions = {
  readonly reaper: Reaper;
  /** A minute at most: a wider spread, and no MirrorMaker 2, which takes most of that to start and warm up. */
  readonly quick: boolean;
  readonly only: readonly Measure[];
};

/** Prints each figure as it is known. @returns them all, for the closing line */
export async function pipeline({ reaper, quick, only }: PipelineOptions): Promise<object> {
  const startMs = performance.now();
  const folder = await reaper.scratchFolder('bench');
  const runs = quick ? 3 : 5;
  const lines = await flightLines(quick ? 40_000 : 80_000);
  const rows = flightsOf(lines);
  print(`${rows.length.toLocaleString('en')} real flights on ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}\n`);
  const figures: Record<string, unknown> = {};
  const times = quick
    ? { passes: 1, restMs: 2_000, idleMs: 4_000, pacedMs: 3_000 }
    : { passes: 4, restMs: 12_000, idleMs: 60_000, pacedMs: 10_000 };
  const common = { rows, reaper, runs: 3, ...times };
  if (only.includes('decode')) {
    const keyspace = flightsKeyspace({ ack: 'local', sites: ['paris'], partitions: 8 });
    const decoded = await measureDecoding(rows, keyspace, 8_000, runs);
    printFigures('record → rows of a reused batch, checksum and chain checked, on one core', 'rows/s', decoded.checked);
    printFigures('the same without checksum and chain, which avsc has none of', 'rows/s', decoded.alone);
    figures.decode = { checked: shortFigures(decoded.checked), alone: shortFigures(decoded.alone) };
  }
  if (only.includes('acked')) {
    const kafka = await KafkaServer.prepare({ folder: join(folder, 'kafka'), reaper });
    await kafka.start();
    const acked = await measureAcked(rows, kafka.address, join(folder, 'writer'), runs);
    printFigures('rows → writer → one Kafka broker, acked (local, acks=all)', 'rows/s', acked);
    figures.acked = shortFigures(acked);
    await kafka.stop();
  }
  if (only.includes('kafka')) {
    const withPeer = !quick && existingKafka() === null;
    figures.kafka = await overKafka({ ...common, folder: join(folder, 'kafka-sites') }, withPeer);
  }
  if (only.includes('embedded')) {
    const found = await measureSites({ ...common, engine: 'embedded', folder: join(folder, 'embedded-sites') });
    printSites('embedded engine', found);
    figures.embedded = { ...found, rowsPerSecond: short(found.rowsPerSecond) };
  }
  return { bench: 'pipeline', quick, ...figures, durationMs: Math.round(performance.now() - startMs) };
}

type Common = Omit<SitesOptions, 'engine'>;

/** On Kafka and Redis, and then MirrorMaker 2 between the same two brokers at the same rows per second. */
async function overKafka(common: Common, withPeer: boolean): Promise<object> {
  let mirrorMaker: MirrorMakerFigures | undefined;
  const runMirrorMaker = async (sites: readonly DevSite[], rowsPerSecond: number): Promise<void> => {
    // One kafkajs producer can send so many rows of 100 B and no more.
    const paced = { rowsPerSecond: Math.min(rowsPerSecond, PEER_ROWS_MAX), ms: common.pacedMs };
    const [from, to] = sites.map(({ kafka }) => kafka!.address);
    mirrorMaker = await measureMirrorMaker({ ...common, from: from!, to: to!, ...paced });
  };
  const found = await measureSites({ ...common, engine: 'kafka' }, withPeer ? runMirrorMaker : undefined);
  printSites('three Kafka brokers and three Redis', found);
  if (mirrorMaker !== undefined) printMirrorMaker(mirrorMaker);
  return { ...found, rowsPerSecond: short(found.rowsPerSecond), mirrorMaker };
}

function printSites(where: string, { rowsPerSecond, pacedRowsPerSecond, lag, ...costs }: SitesFigures): void {
  print(`\n  three sites, ${where}: rows posted at one until applied at all three`);
  print(`    ours         ${spread(rowsPerSecond)} rows/s`);
  print(`  lag, stamp → applied, at ${pacedRowsPerSecond.toLocaleString('en')} rows/s posted`);
  for (const [site, { p50, p99 }] of Object.entries(lag)) print(`    ${site.padEnd(12)} p50 ${p50} ms, p99 ${p99} ms`);
  print('  memory at rest and under load in MB, idle time in percent of a core');
  for (const [name, { rest, load }] of Object.entries(costs.memoryMb)) {
    print(
      `    ${name.padEnd(14)} ${String(rest).padStart(5)} ${String(load).padStart(5)}   ${costs.idlePercent[name]} %`,
    );
  }
}

function printMirrorMaker({ rowsPerSecond, p50, p99, memoryMb }: MirrorMakerFigures): void {
  print(`  MirrorMaker 2 between the first two brokers, at ${rowsPerSecond.toLocaleString('en')} records/s of 100 B`);
  print(`    sent → read  p50 ${p50} ms, p99 ${p99} ms; ${memoryMb} MB`);
}
