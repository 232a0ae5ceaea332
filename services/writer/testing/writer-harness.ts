/** A writer on a simulated log, with two other sites that hold what the test says they hold. For tests. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EpochEndAt,
  initialValue,
  type Member,
  type RegisterValue,
} from '@tidemark/control/consensus/register-value';
import type { Log } from '@tidemark/log/log';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { SeededRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import { TIMING } from '@tidemark/platform/timing';
import { accept, emptyLogHead } from '@tidemark/record/admit';
import { type Envelope, NO_CHAIN } from '@tidemark/record/envelope';
import { sealRecord } from '@tidemark/record/seal';
import { expect, onTestFinished } from 'vitest';
import { Writer } from '../writer.ts';

const clock = new SystemClock();

function keyspaceOf(ack: string, dynamic = 0): Keyspace {
  const columns = { origin: 'string', line: 'int', delay: 'int' };
  const file = parseKeyspaceFile({
    keyspace: 'travel',
    mode: 'single',
    primary: 'paris',
    ack,
    failover: 'manual',
    sites: { paris: 'data', tokyo: 'data', quito: 'data' },
    partitions: 4,
    tables: {
      flights: {
        columns,
        partitionKey: 'origin',
        sortKey: ['line'],
        ...(dynamic > 0 ? { dynamicColumns: { max: dynamic } } : {}),
      },
      hotels: { columns, partitionKey: 'origin', sortKey: ['line'] },
    },
  });
  return evolve(null, file).keyspace;
}

/** Says for each other site that it holds so many records of every partition and epoch. */
class DurableNetwork implements Network {
  readonly seqs = new Map<string, number>([
    ['tokyo', -1],
    ['quito', -1],
  ]);
  epoch = 1;

  async *lines(url: string, signal: AbortSignal): AsyncGenerator<string> {
    const site = new URL(url).hostname;
    while (!signal.aborted) {
      const seq = this.seqs.get(site)!;
      yield JSON.stringify({ site, logId: `mirror-${site}`, positions: Array(4).fill([this.epoch, seq]) });
      await clock.sleep(5, signal);
    }
  }

  ask(url: string): Promise<never> {
    return Promise.reject(new Fault('unknown', `${url}: nobody answers`));
  }

  say(seq: number, ...sites: string[]): void {
    for (const site of sites) this.seqs.set(site, seq);
  }
}

/** The other sites are members, by the identities that `DurableNetwork` gives their mirrors. */
function listed(keyspace: Keyspace): RegisterValue {
  const value = initialValue(keyspace);
  const members = value.members.map(({ site }): Member => {
    return { site, state: 'ACTIVE', logIds: { paris: site === 'paris' ? 'l1' : `mirror-${site}` } };
  });
  return { ...value, members };
}

/** The register once paris has won another election. */
function elect(value: RegisterValue, epochEnds: readonly EpochEndAt[]): RegisterValue {
  const epoch = value.terms.length + 1;
  const closed = value.terms.map((term) => ({ ...term, epochEnds: term.epochEnds ?? epochEnds }));
  return { ...value, terms: [...closed, { epoch, site: 'paris', writerId: `w${epoch}`, epochEnds: null }] };
}

/** @param connect gives each writer its handle on the log; a simulated one by default */
export async function setUpWriter(
  ack: string,
  { dynamic = 0, timing = TIMING, mayAck = (): boolean => true, connect = null as (() => Promise<Log>) | null } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-writer-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const store = new SimLogStore(clock);
  const openLog = connect ?? (async () => new SimLog(store, 'paris'));
  const log = await openLog();
  const keyspace = keyspaceOf(ack, dynamic);
  const topic = topicNames.log('travel', 'paris');
  const name = (partition: number) => ({ cluster: 'c', keyspace: 'travel', origin: 'paris', partition });
  const genesis = (partition: number): Buffer =>
    sealRecord(
      {
        ...name(partition),
        ...{ epoch: 0, seq: -1, stampMs: 0, stampCounter: 0, writer: 0, committed: -1 },
        body: { kind: 'Genesis', logId: 'l1' },
      },
      NO_CHAIN,
    ).bytes;
  await log.ensureTopic({ name: topic, partitions: 4, flushed: true, genesis });
  const network = new DurableNetwork();
  const ended: unknown[] = [];
  let value = listed(keyspace);
  const start = async (): Promise<Writer> => {
    value = elect(value, await epochEnds());
    const { epoch, writerId } = value.terms.at(-1)!;
    return Writer.start({
      ...{ cluster: 'c', site: 'paris', keyspace, log: await openLog(), disk: new NodeDisk(folder), clock, timing },
      ...{ logger: SILENT, random: new SeededRandom(7), network },
      peers: new Map([
        ['tokyo', 'http://tokyo'],
        ['quito', 'http://quito'],
      ]),
      elected: { value, epoch, writerId },
      mayAck,
      onEnded: (error) => ended.push(error),
      onCommitted: () => {},
    });
  };
  /** Where the log ends, by partition. */
  const epochEnds = async (): Promise<EpochEndAt[]> =>
    (await accepted()).map((envelopes) => {
      const last = envelopes.at(-1);
      return { seq: last?.seq ?? -1, chain: last?.chain ?? '' };
    });
  /** What any reader accepts of the log, by partition. */
  const accepted = async (): Promise<Envelope[][]> => {
    const partitions: Envelope[][] = [];
    for (let partition = 0; partition < 4; partition++) {
      let logHead = emptyLogHead(name(partition));
      const envelopes: Envelope[] = [];
      const signal = new AbortController().signal;
      for await (const batch of log.read({ topic, partition, from: 0, signal, untilEnd: true })) {
        for (const { value } of batch.records) {
          const verdict = accept(logHead, value);
          expect(['ACCEPT', 'LOCAL', 'DUPLICATE']).toContain(verdict.kind);
          logHead = verdict.logHead;
          if (verdict.kind === 'ACCEPT') envelopes.push(verdict.envelope);
        }
      }
      partitions.push(envelopes);
    }
    return partitions;
  };
  const rowsIn = async (): Promise<number> =>
    (await accepted()).flat().reduce((sum, { body }) => sum + (body.kind === 'Mutate' ? body.rowCount : 0), 0);
  const disk = new NodeDisk(folder);
  return { keyspace, start, network, store, ended, accepted, rowsIn, log, topic, disk };
}
