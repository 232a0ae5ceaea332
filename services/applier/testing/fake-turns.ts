/** For tests: what several sites have written, one after the other, each reign with a cut and records beyond it. */

import type { Position } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import type { Cut } from '../follow/epoch-ends.ts';
import { row } from './fake-site.ts';
import { type EpochEnd, NOTHING_YET, PartitionMaker } from './log-maker.ts';

/** One reign: by partition how many of its records count, EPOCH_START included, and how many lie beyond the cut. */
export type Turn = { readonly site: string; readonly kept: readonly number[]; readonly beyond: readonly number[] };

/** A record, and whether it counts. */
export type Made = { readonly value: Buffer; readonly counts: boolean; readonly epoch: number };

export type Turns = {
  /** Origin → partition → its records in the order in which it wrote them. */
  readonly logs: ReadonlyMap<string, readonly (readonly Made[])[]>;
  /** By partition, of every reign but the last. */
  readonly cuts: readonly (readonly Cut[])[];
  /** By partition: the last record that counts, and whose. */
  readonly ends: readonly ({ readonly origin: string; readonly at: Position } | null)[];
};

/** Epochs are counted from 1; the last turn goes on, so that nothing of it may lie beyond. */
export function makeTurns(keyspace: Keyspace, turns: readonly Turn[]): Turns {
  const makers = new Map<string, PartitionMaker[]>();
  const logs = new Map<string, Made[][]>();
  for (const { name } of keyspace.sites) {
    const all = Array.from({ length: keyspace.partitions }, (_, p) => new PartitionMaker(keyspace, name, p));
    makers.set(name, all);
    logs.set(
      name,
      all.map((maker) => [{ value: maker.genesis(), counts: true, epoch: 0 }]),
    );
  }
  const cuts: Cut[][] = Array.from({ length: keyspace.partitions }, () => []);
  const ends: EpochEnd[] = cuts.map(() => NOTHING_YET);
  /** By site and partition: where its own last epoch ended. */
  const owns = new Map<string, EpochEnd>();
  turns.forEach(({ site, kept, beyond }, turn) => {
    const epoch = turn + 1;
    for (let partition = 0; partition < keyspace.partitions; partition++) {
      const maker = makers.get(site)![partition]!;
      const log = logs.get(site)![partition]!;
      const before = ends[partition]!;
      const own = owns.get(`${site}/${partition}`) ?? NOTHING_YET;
      const count = kept[partition]!;
      for (let i = 0; i < count + beyond[partition]!; i++) {
        const value = i === 0 ? maker.start(epoch, before, own) : maker.rows([row(i % 3, epoch * 100 + i)]);
        log.push({ value, counts: i < count, epoch });
        if (i === count - 1) ends[partition] = { origin: site, epoch, cutSeq: i, chain: maker.chain };
      }
      if (count > 0) owns.set(`${site}/${partition}`, ends[partition]!);
      if (turn < turns.length - 1) cuts[partition]!.push({ origin: site, epoch, seq: count - 1 });
    }
  });
  const last = ends.map(({ origin, epoch, cutSeq }) => (epoch === 0 ? null : { origin, at: { epoch, seq: cutSeq } }));
  return { logs, cuts, ends: last };
}
