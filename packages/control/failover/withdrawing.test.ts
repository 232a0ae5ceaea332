import { describe, expect, it } from 'vitest';
import {
  type Beginning,
  beginElection,
  commitElection,
  isFencedInVain,
  withdrawElection,
} from '../consensus/register-changes.ts';
import type { RegisterValue } from '../consensus/register-value.ts';
import { REGISTER } from '../testing/sample-register.ts';

const { members } = REGISTER;
const site = members[0]!.site;
const STEADY: RegisterValue = {
  ...REGISTER,
  election: null,
  nextEpoch: 5,
  terms: [{ epoch: 4, site: members[1]!.site, writerId: 'w4', epochEnds: null }],
};
const BEGINNING: Beginning = {
  site,
  writerId: 'w5',
  cause: 'failover',
  reason: 'because',
  beganMs: 0,
  loss: { rowsMax: 3, mode: 'consistent', heard: null },
  version: STEADY.version,
};

function made(change: ReturnType<typeof beginElection>): RegisterValue {
  if ('refused' in change) throw new Error(change.refused);
  return change.value;
}

describe('an election that would lose too much', () => {
  const open = made(beginElection(STEADY, 'a', BEGINNING));

  it('is withdrawn by whoever runs it, and the term before stands', () => {
    const withdrawn = made(withdrawElection(open, 'b', { epoch: 5, writerId: 'w5' }));
    expect(withdrawn).toMatchObject({ election: null, terms: STEADY.terms, members: STEADY.members });
    expect(withdrawElection(open, 'b', { epoch: 5, writerId: 'another' })).toHaveProperty('refused');
    expect(withdrawElection(withdrawn, 'c', { epoch: 5, writerId: 'w5' })).toHaveProperty('refused');
  });

  it('leaves its number used: a writer that lives knows by it that its copies were fenced', () => {
    const withdrawn = made(withdrawElection(open, 'b', { epoch: 5, writerId: 'w5' }));
    const again = made(beginElection(withdrawn, 'c', { ...BEGINNING, version: withdrawn.version, writerId: 'w6' }));
    const commit = { epoch: 6, writerId: 'w6', epochEnds: [], reported: [], ack: STEADY.ack, nowMs: 0 };
    const won = made(commitElection(again, 'd', commit));
    expect([STEADY, open, withdrawn, again, won].map(isFencedInVain)).toEqual([false, false, true, false, false]);
  });
});
