/** Cases that are played by hand. */

import { acceptedLoss } from './accepted-loss.ts';
import type { Case } from './case.ts';
import { cutOffColumn } from './cut-off-column.ts';
import { definedTwice } from './defined-twice.ts';
import { emptyControl } from './empty-control.ts';
import { givesWay } from './gives-way.ts';
import { holeInLog } from './hole-in-log.ts';
import { lastResort } from './last-resort.ts';
import { lostLog } from './lost-log.ts';
import { staleRefusal } from './stale-refusal.ts';
import { standsUnfit } from './stands-unfit.ts';
import { stoodAndGone } from './stood-and-gone.ts';
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
  {
    name: 'stale-refusal',
    tells: 'a former primary that was cut off refused a column for good that the next one had acked',
    play: staleRefusal,
  },
  {
    name: 'cut-off-column',
    tells:
      'a site that was cut off kept columns beyond its epoch end, and showed values of another column under their names',
    play: cutOffColumn,
  },
  {
    name: 'stood-and-gone',
    tells:
      'of two data sites the one that stood lost its disks, and nobody ended its election: its primary was asked in vain',
    play: stoodAndGone,
  },
  {
    name: 'gives-way',
    tells: 'an election that could lose nothing stood open for ever, and kept out the failover that accepted a loss',
    play: givesWay,
  },
  {
    name: 'hole-in-log',
    tells:
      'a primary whose own log had a hole before what was applied there wrote no more, and nobody was told but by `held`',
    play: () => holeInLog('column files'),
  },
  {
    name: 'hole-in-log-of-a-writer',
    tells: 'a writer did not see that its own log had a hole, and knew none of the requests beyond it',
    play: () => holeInLog('notes'),
  },
  {
    name: 'last-resort',
    tells: 'every member had lost something, and no failover was granted, whatever loss was accepted',
    play: lastResort,
  },
];
