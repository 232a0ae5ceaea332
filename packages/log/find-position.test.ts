import { comparePositions, type Position } from '@tidemark/model/position';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type Body, NO_CHAIN } from '@tidemark/record/envelope';
import { sealRecord } from '@tidemark/record/seal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findAfter } from './find-position.ts';
import { SimLog, SimLogStore } from './sim/sim-log.ts';

function recordAt({ epoch, seq }: Position): Uint8Array {
  const body: Body = seq < 0 ? { kind: 'Fence', closes: 1, by: 2, nonce: 'n' } : { kind: 'Noop' };
  const place = { cluster: 'c', keyspace: 'k', origin: 'o', partition: 0 };
  const stamp = { stampMs: 1, stampCounter: 0, writer: epoch, committed: -1 };
  return sealRecord({ ...place, ...stamp, epoch, seq, body }, NO_CHAIN).bytes;
}

const position = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), seq: fc.integer({ min: -1, max: 6 }) });

describe('find position', () => {
  it('never lies behind the first record that is beyond, and passes everything before it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(position, { maxLength: 30 }), position, async (unsorted, after) => {
        const list = unsorted
          .filter((at) => at.seq >= 0)
          .sort(comparePositions)
          .flatMap((at, i) => (i % 3 === 1 ? [{ epoch: 0, seq: -1 }, at] : [at]));
        await using log = new SimLog(new SimLogStore(new SystemClock()));
        await log.ensureTopic({ name: 't', partitions: 1, genesis: null, flushed: true });
        if (list.length > 0)
          await log.append(
            't',
            0,
            list.map((at) => ({ value: recordAt(at) })),
          );
        const found = await findAfter(log, 't', 0, after);
        const first = list.findIndex((at) => at.seq >= 0 && comparePositions(at, after) > 0);
        expect(found).toBeLessThanOrEqual(first < 0 ? list.length : first);
        // Between it and the first one beyond there are at most records without a position.
        for (const at of list.slice(found, first < 0 ? list.length : first)) expect(at.seq).toBe(-1);
      }),
      { numRuns: 60 },
    );
  });
});
