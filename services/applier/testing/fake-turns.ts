/** For tests: what several sites have written, one after the other, each term with an epoch end and records beyond it. */

import type { Position } from '@tidemark/model/position';
import type { Keyspace } from '@tidemark/model/table';
import type { EpochEnd } from '../follow/known-epoch-ends.ts';
import { row } from './fake-site.ts';
import { type MadeEnd, NOTHING_YET, PartitionMaker } from './log-maker.ts';

/** One term: by partition how many of its records count, EPOCH_START included, and how many lie beyond the epoch end. */
export type Turn = { readonly site: string; readonly kept: readonly number[]; readonly beyond: readonly number[] };

/** A record, and whether it counts. */
export type Made = { readonly value: Buffer; readonly counts: boolean; readonly epoch: number };

export type Turns = {
  /** Origin → partition → its records in the order in which it wrote them. */
  readonly logs: ReadonlyMap<string, readonly (readonly Made[])[]>;
  /** By partition, of every term but the last. */
  readonly epochEnds: readonly (readonly EpochEnd[])[];
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
  const epochEnds: EpochEnd[][] = Array.from({ length: keyspace.partitions }, () => []);
  const ends: MadeEnd[] = epochEnds.map(() => NOTHING_YET);
  /** By site and partition: where its own last epoch ended. */
  const owns = new Map<string, MadeEnd>();
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
        if (i === count - 1) ends[partition] = { origin: site, epoch, endSeq: i, chain: maker.chain };
      }
      if (count > 0) owns.set(`${site}/${partition}`, ends[partition]!);
      if (turn < turns.length - 1) epochEnds[partition]!.push({ origin: site, epoch, seq: count - 1 });
    }
  });
  const last = ends.map(({ origin, epoch, endSeq }) => (epoch === 0 ? null : { origin, at: { epoch, seq: endSeq } }));
  return { logs, epochEnds, ends: last };
}
