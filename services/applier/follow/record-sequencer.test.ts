import { SharedMemory } from '@tidemark/platform/shared-memory';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLUSTER, PartitionMaker, sampleKeyspace } from '../testing/log-maker.ts';
import { KnownEpochEnds } from './known-epoch-ends.ts';
import { type News, RecordSequencer } from './record-sequencer.ts';

const KEYSPACE = sampleKeyspace({ ack: { name: 'sync', k: 1 } });

/** A fold of paris' partition 0 that does with news what an applier does. */
function foldOf(values: readonly Uint8Array[]) {
  const name = { cluster: CLUSTER, keyspace: KEYSPACE.name, origin: 'paris', partition: 0 };
  const knownEpochEnds = new KnownEpochEnds();
  const fold = new RecordSequencer(
    name,
    { sync: true, heldBytesMax: 1e6, uncommitted: new SharedMemory(1e6), knownEpochEnds, reached: () => true },
    null,
  );
  const tell = (news: readonly News[]): void => {
    for (const one of news) {
      if (one.kind === 'committed') tell(fold.learnCommitted(one.at));
      if (one.kind !== 'closed' || one.origin === '') continue;
      knownEpochEnds.learn({ origin: one.origin, ...one.at });
      tell(fold.learnEnd(one.at));
    }
  };
  values.forEach((value, offset) => {
    tell(fold.take(offset, value));
  });
  const applied = (): string[] => {
    const positions: string[] = [];
    for (let held = fold.next(); held !== null; held = fold.next()) {
      positions.push(`${held.envelope.epoch}:${held.envelope.seq}`);
      fold.applied(held);
    }
    return positions;
  };
  return {
    fold,
    knownEpochEnds,
    applied,
    commit: (epoch: number, seq: number) => tell(fold.learnCommitted({ epoch, seq })),
  };
}

describe('record sequencer', () => {
  it('a writer that died before its first record was committed leaves nothing waiting behind the next one', () => {
    const maker = new PartitionMaker(KEYSPACE, 'paris', 0);
    const values = [maker.start(1), maker.rows([{ k: 'a', v: '1' }]), maker.rows([{ k: 'b', v: '2' }])];
    values.push(maker.start(2), maker.start(3), maker.start(4), maker.rows([{ k: 'c', v: '3' }]));
    const { applied, commit } = foldOf(values);
    commit(1, 1);
    expect(applied()).toEqual(['1:0', '1:1']);
    // Nobody ever says how far epochs 2 and 3 were committed; the epoch ends do.
    commit(4, 1);
    expect(applied()).toEqual(['1:2', '2:0', '3:0', '4:0', '4:1']);
  });

  it('goes on with the next epoch where an epoch end is learnt, and looked at, while a record beyond it is applied', () => {
    const maker = new PartitionMaker(KEYSPACE, 'paris', 0);
    const values = [maker.start(1), maker.rows([{ k: 'a', v: '1' }])];
    const epochEnd = { origin: 'paris', epoch: 1, endSeq: 1, chain: maker.chain };
    values.push(maker.rows([{ k: 'b', v: '2' }]), maker.start(2, epochEnd), maker.rows([{ k: 'c', v: '3' }]));
    for (const read of [3, 5]) {
      const { fold, knownEpochEnds, applied, commit } = foldOf(values.slice(0, read));
      commit(1, 1);
      expect(applied()).toEqual(['1:0', '1:1']);
      fold.learnCommitted({ epoch: 1, seq: 2 });
      const beyond = fold.next()!;
      commit(2, 1);
      knownEpochEnds.learn({ origin: 'paris', epoch: 1, seq: 1 });
      fold.learnEnd({ epoch: 1, seq: 1 });
      // Somebody else looks, as whoever is told of an epoch end does.
      fold.next();
      fold.applied(beyond);
      expect(applied()).toEqual(read === 3 ? [] : ['2:0', '2:1']);
    }
  });

  it('holds an epoch back while the start that closes it is not committed', () => {
    const maker = new PartitionMaker(KEYSPACE, 'paris', 0);
    const { applied } = foldOf([maker.start(1), maker.rows([{ k: 'a', v: '1' }]), maker.start(2), maker.start(3)]);
    expect(applied()).toEqual([]);
  });
});

describe('a log that is read again from its start', () => {
  const ROOT = 'log';
  const log = fc.record({
    records: fc.integer({ min: 1, max: 12 }),
    /** Before which records the topic got its next identity. */
    renewed: fc.uniqueArray(fc.integer({ min: 0, max: 12 }), { maxLength: 3 }),
    /** Where it was trimmed to before it is read again, and where reading was when it began again. */
    trimmedTo: fc.nat(3),
    readTo: fc.nat(20),
  });
  const valuesOf = ({ records, renewed }: { readonly records: number; readonly renewed: readonly number[] }) => {
    const maker = new PartitionMaker(KEYSPACE, 'paris', 0);
    const values = [maker.genesis(ROOT)];
    let generation = 0;
    for (let seq = 0; seq < records; seq++) {
      if (renewed.includes(seq)) values.push(maker.genesis(`${ROOT}~${++generation}`));
      values.push(seq === 0 ? maker.start(1) : maker.rows([{ k: `${seq}`, v: '1' }]));
    }
    return values;
  };

  it('is the same one, however often it lost something since and whatever was trimmed of it', () => {
    fc.assert(
      fc.property(log, (asked) => {
        const values = valuesOf(asked);
        const { fold } = foldOf(values.slice(0, asked.readTo));
        fold.restart(true);
        const told = values.flatMap((value, offset) => (offset < asked.trimmedTo ? [] : fold.take(offset, value)));
        expect(told.filter(({ kind }) => kind === 'halted' || kind === 'other')).toEqual([]);
        if (asked.trimmedTo === 0) expect(fold.logHead.seq).toBe(asked.records - 1);
      }),
    );
  });

  it('is said to be another one where it was made again, and read as that; two logs in one stop the reader', () => {
    fc.assert(
      fc.property(log, (asked) => {
        const maker = new PartitionMaker(KEYSPACE, 'paris', 0);
        const other = [maker.genesis('other'), maker.start(1), maker.rows([{ k: 'a', v: '1' }])];
        const { fold } = foldOf(valuesOf(asked));
        fold.restart(true);
        expect(fold.take(0, other[0]!)).toMatchObject([{ kind: 'other' }]);
        fold.restart(false);
        const kinds = other.flatMap((value, offset) => fold.take(offset, value)).map(({ kind }) => kind);
        expect([kinds.includes('other') || kinds.includes('halted'), fold.logHead.seq]).toEqual([false, 1]);
        expect(fold.take(3, maker.genesis('third'))).toMatchObject([{ kind: 'halted' }]);
      }),
    );
  });
});
