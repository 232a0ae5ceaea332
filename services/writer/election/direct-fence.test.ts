import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { topicNames } from '@tidemark/model/table';
import { SystemClock } from '@tidemark/platform/system-clock';
import { accept, emptyLogHead } from '@tidemark/record/admit';
import { type Body, NO_CHAIN, NOTHING_BEFORE, type Unsealed } from '@tidemark/record/envelope';
import { epochSeed, sealRecord } from '@tidemark/record/seal';
import { describe, expect, it } from 'vitest';
import { fenceDirectly } from './direct-fence.ts';

const TOPIC = topicNames.log('travel', 'paris');
const NAME = { cluster: 'c', keyspace: 'travel', origin: 'paris', partition: 0 };
const unsealed = (epoch: number, seq: number, body: Body): Unsealed => ({
  ...{ ...NAME, epoch, seq, stampMs: 1, stampCounter: seq < 0 ? 0 : seq, writer: epoch, committed: -1, body },
});

/** EPOCH_START and NOOPs of epoch 1, with the chain after each. */
function sequence(count: number): { bytes: Buffer; chain: string }[] {
  const body = { kind: 'EpochStart', writerId: 'w', ...NOTHING_BEFORE } as const;
  const start = { ...unsealed(1, 0, body), body };
  const records = [sealRecord(start, epochSeed(start))];
  for (let seq = 1; seq < count; seq++) {
    records.push(sealRecord(unsealed(1, seq, { kind: 'Noop' }), records[seq - 1]!.chain));
  }
  return records;
}

/** A log of `count` records, and a copy elsewhere that holds the first `copied` of them. */
async function setUp(count: number, copied: number) {
  const store = new SimLogStore(new SystemClock());
  const log = new SimLog(store);
  const genesis = (): Buffer => sealRecord(unsealed(0, -1, { kind: 'Genesis', logId: 'a' }), NO_CHAIN).bytes;
  await log.ensureTopic({ name: TOPIC, partitions: 1, flushed: true, genesis });
  const records = sequence(Math.max(count, copied));
  if (count > 0)
    await log.append(
      TOPIC,
      0,
      records.slice(0, count).map(({ bytes }) => ({ value: bytes })),
    );
  const at = copied === 0 ? ([0, -1, NO_CHAIN] as const) : ([1, copied - 1, records[copied - 1]!.chain] as const);
  const copy = { origin: 'paris', logId: 'm', trusted: true, vouched: 'itself', positions: [at] };
  const fence = (listed = 'a', k = 0) =>
    fenceDirectly({
      ...{ cluster: 'c', keyspace: 'travel', log, k, by: 2, nonce: 'n', nowMs: 0, logIds: { paris: listed } },
      term: { epoch: 1, site: 'paris', writerId: 'w', epochEnds: null },
      own: { site: 'tokyo', copies: [copy] },
    });
  return { log, store, records, fence };
}

describe('direct fence', () => {
  it('tells where the log ends, however much of it was copied, and nothing behind it can be acked', async () => {
    for (const copied of [0, 1, 3, 7]) {
      const { log, records, fence } = await setUp(7, copied);
      const report = await fence();
      expect(report).toMatchObject({ site: 'paris', origin: 'paris', logId: 'a', trusted: true });
      expect(report.partitions).toEqual([{ epoch: 1, seq: 6, chain: records[6]!.chain }]);
      const late = sealRecord(unsealed(1, 7, { kind: 'Noop' }), records[6]!.chain);
      await log.append(TOPIC, 0, [{ value: late.bytes }]);
      let logHead = emptyLogHead(NAME);
      let last: boolean | null = null;
      const signal = new AbortController().signal;
      for await (const batch of log.read({ topic: TOPIC, partition: 0, from: 0, signal, untilEnd: true })) {
        for (const { value } of batch.records) {
          const verdict = accept(logHead, value);
          logHead = verdict.logHead;
          if (verdict.kind === 'ACCEPT') last = verdict.ackable;
        }
      }
      expect(last).toBe(false);
    }
  });

  it('writes nothing into a log that lost all of it: its first record has to be its GENESIS', async () => {
    const { log, store, fence } = await setUp(7, 3);
    store.loseEnd(TOPIC, 0, 0);
    expect(await fence()).toMatchObject({ trusted: false, partitions: [{ epoch: 0, seq: -1 }] });
    expect(await log.bounds(TOPIC, 0)).toEqual({ start: 0, end: 0 });
  });

  it('does not trust a log that holds less than the copy, or is another one than is listed, nor where others hold what was acked', async () => {
    const shorter = await setUp(4, 7);
    expect((await shorter.fence()).trusted).toBe(false);
    const held = await setUp(4, 4);
    expect((await held.fence('a', 1)).trusted).toBe(false);
    const another = await setUp(4, 4);
    expect((await another.fence('b')).trusted).toBe(false);
  });
});
