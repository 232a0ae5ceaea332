/** For tests: the register of a keyspace with which all is well. */

import type { RegisterValue } from '../consensus/register-value.ts';

/** Paris leads, and its two replicas count. */
export const REGISTER: RegisterValue = {
  keyspace: 'travel',
  version: 7,
  changeId: 'c',
  changes: ['c'],
  acceptors: {},
  election: null,
  nextEpoch: 5,
  ack: { name: 'sync', k: 1 },
  failover: 'automatic',
  degradeTo: 1,
  members: ['paris', 'quito', 'tokyo'].map((site) => ({ site, state: 'ACTIVE', logIds: {} })),
  witnesses: [],
  terms: [
    { epoch: 3, site: 'tokyo', writerId: 'v', epochEnds: [] },
    { epoch: 4, site: 'paris', writerId: 'w', epochEnds: null },
  ],
  lastFailover: null,
  paused: false,
};
