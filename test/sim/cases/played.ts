/** Cases that are played by hand. */

import { acceptedLoss } from './accepted-loss.ts';
import type { Case } from './case.ts';
import { definedTwice } from './defined-twice.ts';
import { emptyControl } from './empty-control.ts';
import { lostLog } from './lost-log.ts';
import { standsUnfit } from './stands-unfit.ts';
import { supersededBeforeItsLease } from './superseded.ts';

export const PLAYED: readonly Case[] = [
  {
    name: 'lost-log',
    tells: 'a site whose log topics were lost while its folder survived won elections and could never lead',
    play: lostLog,
  },
  {
    name: 'superseded-before-its-lease',
    tells: 'a candidate that was superseded before its first lease stayed in its election for ever',
    play: supersededBeforeItsLease,
  },
  {
    name: 'accepted-loss',
    tells: 'a failover with an accepted loss discarded the whole term, as the copies of one partition lagged',
    play: acceptedLoss,
  },
  {
    name: 'empty-control',
    tells: 'control topics were empty beside full logs, and epoch 1 was written over epoch 1',
    play: emptyControl,
  },
  {
    name: 'defined-twice',
    tells: 'a site whose disks were lost took a PUT of a keyspace for a new one',
    play: definedTwice,
  },
  {
    name: 'stands-unfit',
    tells: 'a site that could never lead stood for election, and nobody wrote until it was taken over',
    play: standsUnfit,
  },
];
