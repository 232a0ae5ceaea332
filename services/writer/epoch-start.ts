/** The record that begins an epoch in a partition (protocol rule 2). Pure. */

import { termBefore } from '@tidemark/control/consensus/register-value';
import { type EpochStartBody, NO_CHAIN } from '@tidemark/record/envelope';
import type { Elected } from './elected.ts';

/** Names what came before: the newest earlier term that left something in the partition, and this site's own newest. */
export function epochStartOf({ value, epoch, writerId }: Elected, site: string, partition: number): EpochStartBody {
  const before = termBefore(value, epoch, partition);
  const own = termBefore(value, epoch, partition, site);
  const [epochEnd, ownEnd] = [before?.epochEnds?.[partition], own?.epochEnds?.[partition]];
  return {
    kind: 'EpochStart',
    writerId,
    previousOrigin: before?.site ?? '',
    previousEpoch: before?.epoch ?? 0,
    endSeq: epochEnd?.seq ?? -1,
    endChain: Buffer.from(epochEnd?.chain ?? NO_CHAIN, 'hex'),
    ownEpoch: own?.epoch ?? 0,
    ownEndSeq: ownEnd?.seq ?? -1,
    ownEndChain: Buffer.from(ownEnd?.chain ?? NO_CHAIN, 'hex'),
  };
}
