import { PartitionMaker, sampleKeyspace } from '@tidemark/applier/testing/log-maker';
import type { Envelope, EpochStartBody } from '@tidemark/record/envelope';
import { openRecord } from '@tidemark/record/seal';
import { expect, it } from 'vitest';
import { Unnamed } from './unnamed.ts';

const maker = new PartitionMaker(sampleKeyspace(), 'paris', 0);
const envelopeOf = (bytes: Buffer): Envelope => openRecord(bytes).envelope;
const rows = (): Envelope => envelopeOf(maker.rows([{ k: 'a', v: 1 }]));

function beginning(ownEpoch: number, ownEndSeq: number): EpochStartBody {
  const start = envelopeOf(maker.start(9));
  if (start.body.kind !== 'EpochStart') throw new Error(start.body.kind);
  return { ...start.body, ownEpoch, ownEndSeq };
}

it('records of a term that is not named any more wait for the next one of their origin, which says what counts', () => {
  const taken: number[] = [];
  const unnamed = new Unnamed(({ seq }) => taken.push(seq));
  maker.start(1);
  for (let n = 0; n < 4; n++) unnamed.add(rows());
  expect(taken).toEqual([]);
  unnamed.began(beginning(1, 2));
  expect(taken).toEqual([1, 2]);
  // A term that is passed over left nothing.
  for (let n = 0; n < 2; n++) unnamed.add(rows());
  unnamed.began(beginning(1, 2));
  expect([taken, unnamed.left]).toEqual([[1, 2], []]);
  const last = rows();
  unnamed.add(last);
  expect([taken, unnamed.left]).toEqual([[1, 2], [last]]);
  // Another site led next.
  unnamed.closed(last.epoch, last.seq);
  expect([taken, unnamed.left]).toEqual([[1, 2, last.seq], []]);
});
