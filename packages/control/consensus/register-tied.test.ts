import { describe, expect, it } from 'vitest';
import { REGISTER } from '../testing/sample-register.ts';
import { whyNoFence, whyNoFill, whyNoHandOver, whyNoNomination } from './register-tied.ts';
import type { RegisterValue } from './register-value.ts';

const ELECTING: RegisterValue = {
  ...REGISTER,
  nextEpoch: 6,
  election: { epoch: 5, site: 'tokyo', writerId: 'x', cause: 'failover', reason: '', beganMs: 0, loss: null },
};
const CUT = { seq: 9, chain: 'ab' };

describe('what a register names', () => {
  it('fences by the open election and against the newest term only', () => {
    const fence = { origin: 'paris', closes: 4, by: 5 };
    expect(whyNoFence(ELECTING, fence)).toBeNull();
    expect(whyNoFence(REGISTER, fence)).toContain('no election is open');
    for (const wrong of [{ by: 9e15 }, { by: 6 }, { closes: 3 }, { origin: 'tokyo' }])
      expect(whyNoFence(ELECTING, { ...fence, ...wrong })).toMatch(/^a fence (by epoch|of epoch) /);
  });

  it('fills up to what a term ended at, and beyond that only for the open election', () => {
    const [first, newest] = REGISTER.terms;
    const known = { ...REGISTER, terms: [{ ...first!, epochEnds: [CUT] }, newest!] };
    expect(whyNoFill(known, { origin: 'tokyo', epoch: 3, epochEnds: [CUT] })).toBeNull();
    expect(whyNoFill(known, { origin: 'tokyo', epoch: 3, epochEnds: [{ ...CUT, seq: 9e15 }] })).toContain(
      'ended elsewhere',
    );
    expect(whyNoFill(known, { origin: 'rome', epoch: 3, epochEnds: [CUT] })).toContain('is no term');
    expect(whyNoFill(known, { origin: 'paris', epoch: 4, epochEnds: [CUT] })).toContain('has not ended');
    expect(whyNoFill(ELECTING, { origin: 'paris', epoch: 4, epochEnds: [CUT] })).toBeNull();
  });

  it('lets a writer hand over to a member that counts, while nobody is elected', () => {
    expect(whyNoHandOver(REGISTER, 'tokyo')).toBeNull();
    expect(whyNoHandOver(REGISTER, 'paris')).toContain('is its primary');
    expect(whyNoHandOver(REGISTER, 'rome')).toContain('no member');
    expect(whyNoHandOver(ELECTING, 'tokyo')).toContain('election of epoch 5');
  });

  it('nominates by the version that was seen, and by suspicion only where that may', () => {
    const asked = { cause: 'suspicion', version: 7 } as const;
    expect(whyNoNomination(REGISTER, asked)).toBeNull();
    expect(whyNoNomination(REGISTER, { ...asked, version: 8 })).toBe('the register is at version 7, not 8');
    expect(whyNoNomination({ ...REGISTER, paused: true }, asked)).toContain('paused');
    expect(whyNoNomination({ ...REGISTER, failover: 'manual' }, asked)).toBe('failover is manual');
    expect(whyNoNomination({ ...REGISTER, failover: 'manual' }, { ...asked, cause: 'failover' })).toBeNull();
  });
});
