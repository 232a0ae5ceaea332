/** The record that begins an epoch in a partition (protocol rule 2). Pure. */

import { reignBefore } from '@tidemark/control/consensus/register-value';
import { type EpochStartBody, NO_CHAIN } from '@tidemark/record/envelope';
import type { Elected } from './writer.ts';

/** Names what came before: the newest earlier reign that left something in the partition, and this site's own newest. */
export function epochStartOf({ value, epoch, writerId }: Elected, site: string, partition: number): EpochStartBody {
  const before = reignBefore(value, epoch, partition);
  const own = reignBefore(value, epoch, partition, site);
  const [cut, ownCut] = [before?.cuts?.[partition], own?.cuts?.[partition]];
  return {
    kind: 'EpochStart',
    writerId,
    previousOrigin: before?.site ?? '',
    previousEpoch: before?.epoch ?? 0,
    cutSeq: cut?.seq ?? -1,
    cutChain: Buffer.from(cut?.chain ?? NO_CHAIN, 'hex'),
    ownEpoch: own?.epoch ?? 0,
    ownCutSeq: ownCut?.seq ?? -1,
    ownCutChain: Buffer.from(ownCut?.chain ?? NO_CHAIN, 'hex'),
  };
}
