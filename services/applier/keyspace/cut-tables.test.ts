/**
 * A version of the tables that was told of beyond an epoch end is no part of the history: the next primary gives the same number
 * to another version, and the same column number to another column. Here SCHEMA lies beyond the epoch end in a partition of which
 * nothing was flushed, so that no position on the disk is beyond it.
 */

import type { Keyspace } from '@tidemark/model/table';
import { describe, expect, it } from 'vitest';
import type { EpochEnd } from '../follow/known-epoch-ends.ts';
import type { RunningKeyspace } from '../running.ts';
import { eventually, LOCAL, TestSite } from '../testing/fake-site.ts';
import { PartitionMaker } from '../testing/log-maker.ts';

function withColumn(name: string, more = 1): Keyspace {
  const [table] = LOCAL.tables;
  const column = { id: 4, name, type: { name: 'string' }, dropped: false } as const;
  return { ...LOCAL, version: LOCAL.version + more, tables: [{ ...table!, columns: [...table!.columns, column] }] };
}

function schemaOf(keyspace: Keyspace) {
  return { kind: 'Schema', version: keyspace.version, keyspace: JSON.stringify(keyspace) } as const;
}

const CUTS: readonly (readonly EpochEnd[])[] = [
  [{ origin: 'paris', epoch: 1, seq: 1 }],
  [{ origin: 'paris', epoch: 1, seq: 0 }],
];

describe.each([
  'told while it runs',
  'told after a restart',
  'told after a restart, with the checkpoint lost',
  'told as soon as it runs again',
  'told only by the next epoch',
] as const)('tables beyond an epoch end that is %s', (how) => {
  it('are forgotten, and the column that came instead is shown', async () => {
    const site = new TestSite();
    const paris = [0, 1].map((partition) => new PartitionMaker(LOCAL, 'paris', partition));
    const kept = [
      [paris[0]!.genesis(), paris[0]!.start(1), paris[0]!.rows([{ k: 'a', v: 1 }])],
      [paris[1]!.genesis(), paris[1]!.start(1)],
    ];
    const ends = paris.map((maker) => ({
      origin: 'paris',
      epoch: 1,
      endSeq: maker.at.seq,
      chain: maker.chain,
    }));
    const lost = paris[1]!.record(schemaOf(withColumn('lost', 2)));
    for (const partition of [0, 1]) await site.append(site.topicOf('paris'), partition, kept[partition]!);
    await site.append(site.topicOf('paris'), 1, [lost]);

    const epochEnds: { told: readonly (readonly EpochEnd[])[] } = { told: [] };
    const read = site.log.read.bind(site.log);
    const gate = Promise.withResolvers<void>();
    const readLater: typeof read = async function* (options) {
      await gate.promise;
      yield* read(options);
    };
    const start = (): Promise<RunningKeyspace> => site.run(LOCAL, () => epochEnds.told);
    let running = await start();
    await eventually(() => running.applier!.origins.applied('paris', 1).seq === 1);
    await eventually(() => running.applier!.origins.applied('paris', 0).seq === 1);
    await running.applier!.flush();
    const isAgain = how === 'told as soon as it runs again';
    if (isAgain || how.startsWith('told after')) {
      await running[Symbol.asyncDispose]();
      if (how.endsWith('lost')) await site.disk.remove('checkpoints/applier/ks.json');
      if (isAgain) site.log.read = readLater;
      else epochEnds.told = CUTS;
      running = await start();
    }
    await using last = running;
    if (isAgain || how === 'told while it runs') {
      epochEnds.told = CUTS;
      for (const [p, [{ origin, epoch, seq }]] of (CUTS as [[EpochEnd], [EpochEnd]]).entries()) {
        last.applier!.closed(p, origin, { epoch, seq });
      }
    }
    gate.resolve();

    const next = withColumn('kept');
    for (const partition of [0, 1]) {
      const tokyo = new PartitionMaker(next, 'tokyo', partition);
      const values = [tokyo.genesis(), tokyo.start(2, ends[partition]!), tokyo.record(schemaOf(next))];
      if (partition === 0) values.push(tokyo.rows([{ k: 'b', v: 2, kept: 'yes' }]));
      await site.append(site.topicOf('tokyo'), partition, values);
    }
    await eventually(() => {
      const { applier } = last;
      if (applier === null || applier.readGate.refusal !== null) return false;
      return [2, 1].every((seq, partition) => applier.origins.applied('tokyo', partition).seq === seq);
    });
    const names = (table: Keyspace['tables'][number]): string[] => table.columns.map(({ name }) => name);
    const { stores } = last.applier!;
    expect(names(stores.keyspace.tables[0]!)).toEqual(names(next.tables[0]!));
    for (const store of stores.tableStore(1)!.partitions) expect(names(store.table!)).toEqual(names(next.tables[0]!));
    expect(site.fatal).toEqual([]);
  });
});
