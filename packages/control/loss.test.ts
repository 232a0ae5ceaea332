import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateLoss, lossySeqs } from './loss.ts';

const cuts = (...seqs: number[]) => seqs.map((seq) => ({ seq, chain: seq < 0 ? '' : `1.${seq}` }));

describe('lossySeqs', () => {
  it('keeps all that was received, or goes back to the newest barrier received whole', () => {
    const barriers = [
      { seq: 1, heads: [0, 2] },
      { seq: 4, heads: [3, 3] },
      { seq: 6, heads: [5, 9] },
    ];
    expect(lossySeqs('received', cuts(7, 5), barriers)).toEqual([7, 5]);
    expect(lossySeqs('consistent', cuts(7, 5), barriers)).toEqual([4, 3]);
    expect(lossySeqs('consistent', cuts(3, 2), barriers)).toEqual([1, 2]);
    expect(lossySeqs('consistent', cuts(0, 5), barriers)).toEqual([-1, -1]);
  });

  it('never cuts beyond what was received', () => {
    const heads = fc.tuple(fc.integer({ min: -1, max: 5 }), fc.integer({ min: -1, max: 5 }));
    const barrier = fc.record({ seq: fc.integer({ min: 0, max: 5 }), heads });
    fc.assert(
      fc.property(heads, fc.array(barrier, { maxLength: 4 }), (received, barriers) => {
        const seqs = lossySeqs('consistent', cuts(...received), barriers);
        for (const [partition, seq] of seqs.entries()) expect(seq).toBeLessThanOrEqual(received[partition]!);
      }),
    );
  });
});

describe('estimateLoss', () => {
  it('counts what is known to be missing, and apart from it what may have been written unheard', () => {
    const heard = { heads: [9, 4], rowsPerRecord: 2.5, rowsPerSecond: 100, unheardMs: 1_500 };
    expect(estimateLoss([6, 4], heard)).toEqual({ records: 3, rows: 8, unheardRows: 150 });
    expect(estimateLoss([9, 7], { ...heard, unheardMs: 0 })).toEqual({ records: 0, rows: 0, unheardRows: 0 });
  });
});
