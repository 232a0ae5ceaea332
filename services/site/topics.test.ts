import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import type { Keyspace } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { accept, emptyLogHead } from '@tidemark/record/admit';
import { describe, expect, it } from 'vitest';
import { ensureControlTopic, ensureTopics, genesisRecord, refuseOthersLog } from './topics.ts';

function travel(ack = 'sync(1)'): Keyspace {
  const sites = { paris: 'data', tokyo: 'data', vienna: 'witness' } as const;
  return travelKeyspace({ ack, sites, partitions: 3 });
}

function site(name: string) {
  const clock = new SimClock();
  const log = new SimLog(new SimLogStore(clock), name);
  const signal = new AbortController().signal;
  return { log, parts: { cluster: 'c', site: name, log, clock, random: new SeededRandom(7), signal } };
}

/** The first record's verdict, and with it the identity, of every partition. */
async function identities(log: SimLog, topic: string, keyspace: string, origin: string): Promise<string[]> {
  const found: string[] = [];
  for (let partition = 0; partition < (await log.partitionCount(topic))!; partition++) {
    const signal = new AbortController().signal;
    for await (const { records } of log.read({ topic, partition, from: 0, signal, untilEnd: true })) {
      const verdict = accept(emptyLogHead({ cluster: 'c', keyspace, origin, partition }), records[0]!.value);
      found.push(verdict.kind === 'LOCAL' ? verdict.logHead.logId : verdict.kind);
    }
  }
  return found;
}

describe('topics', () => {
  it('a data site has its own log, a mirror of every other data site, and ingest; each log has one identity', async () => {
    const { log, parts } = site('tokyo');
    await ensureTopics(parts, travel());
    expect(await log.topics()).toEqual([
      'tidemark.travel.ingest',
      'tidemark.travel.ingest.rejected',
      'tidemark.travel.log.tokyo',
      'tidemark.travel.mirror.paris',
    ]);
    const own = await identities(log, 'tidemark.travel.log.tokyo', 'travel', 'tokyo');
    const mirror = await identities(log, 'tidemark.travel.mirror.paris', 'travel', 'paris');
    expect([own.length, new Set(own).size, mirror.length, new Set(mirror).size]).toEqual([3, 1, 3, 1]);
    expect(own[0]).not.toBe(mirror[0]);
  });

  it('asked again, nothing changes', async () => {
    const { log, parts } = site('tokyo');
    const look = () => identities(log, 'tidemark.travel.log.tokyo', 'travel', 'tokyo');
    await ensureTopics(parts, travel());
    const before = await look();
    await ensureTopics(parts, travel());
    expect(await look()).toEqual(before);
    expect(await log.bounds('tidemark.travel.log.tokyo', 0)).toEqual({ start: 0, end: 1 });
  });

  it('a topic whose making was cut short gets the identity it began with', async () => {
    const { log, parts } = site('tokyo');
    const name = 'tidemark.travel.log.tokyo';
    await log.ensureTopic({ name, partitions: 3, flushed: true, genesis: null });
    const fields = { cluster: 'c', keyspace: 'travel', origin: 'tokyo', logId: 'first', nowMs: 1 };
    await log.append(name, 1, [{ value: genesisRecord({ ...fields, partition: 1 }) }]);
    await ensureTopics(parts, travel());
    expect(await identities(log, name, 'travel', 'tokyo')).toEqual(['first', 'first', 'first']);
  });

  it('a control topic of another site or cluster is refused, naming both; a log out of reach is looked at later', async () => {
    const { log, parts } = site('paris');
    await refuseOthersLog(parts);
    await ensureControlTopic(parts);
    await refuseOthersLog(parts);
    const others = { ...parts, site: 'tokyo' };
    const refusal = { kind: 'invalid', details: { got: 'paris', expected: 'tokyo' } };
    await expect(refuseOthersLog(others)).rejects.toMatchObject(refusal);
    await expect(ensureControlTopic(others)).rejects.toMatchObject(refusal);
    await expect(refuseOthersLog({ ...parts, cluster: 'other' })).rejects.toThrow(/of cluster c, .* of cluster other/);
    log.connected = false;
    await refuseOthersLog(others);
  });

  it('ingest keeps the partitions its maker gave it; a witness has no topics of a keyspace', async () => {
    const { log, parts } = site('tokyo');
    await log.ensureTopic({ name: 'tidemark.travel.ingest', partitions: 12, flushed: false, genesis: null });
    await ensureTopics(parts, travel('local'));
    expect(await log.partitionCount('tidemark.travel.ingest')).toBe(12);
    const witness = site('vienna');
    await ensureTopics(witness.parts, travel());
    await ensureControlTopic(witness.parts);
    expect(await witness.log.topics()).toEqual(['tidemark.control']);
  });
});
