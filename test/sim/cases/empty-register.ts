/**
 * The control topics are lost at every site, and the keyspace is defined again over what logs and folders still hold.
 * Nothing is written over it: what was acked before and what is acked then is at every site.
 */

import { topicNames } from '@tidemark/model/table';
import type { Case } from './case.ts';
import { Staged } from './staged.ts';

const SHAPE = {
  ...{
    data: ['paris', 'tokyo', 'quito'],
    witnesses: [],
    k: 1,
    degradeTo: 1,
    partitions: 2,
    forgetsAfterMs: null,
    isBrief: false,
  },
} as const;

type Story = {
  readonly lost: string;
  readonly lose: (staged: Staged, site: string) => void;
  /** Where earlier terms ended cannot be told any more: nothing is written. */
  readonly isRefused?: true;
};

const STORIES: readonly Story[] = [
  { lost: 'the control topics', lose: () => {} },
  { lost: 'the control topics and the folders', lose: ({ world }, site) => world.site(site).platter.wipe() },
  {
    lost: 'everything but the log of quito',
    lose: ({ world }, site) => {
      world.site(site).platter.wipe();
      if (site !== 'quito') world.site(site).store.wipe();
    },
    isRefused: true,
  },
];

async function play({ lose, isRefused }: Story, seed: number): Promise<void> {
  const staged = await Staged.open(seed, SHAPE);
  const [before, after] = [
    [1, 2, 3, 4, 5],
    [51, 52, 53],
  ] as const;
  for (const n of before) await staged.until('a row', () => staged.put('paris', n));
  await staged.rest(3_000);
  // Another site writes, so that there is an earlier term of another origin too.
  await staged.nominate('tokyo');
  await staged.until('a row at tokyo', () => staged.put('tokyo', 6));
  await staged.rest(2_000);
  for (const site of SHAPE.data) staged.stop(site);
  for (const site of SHAPE.data) {
    staged.world.site(site).store.deleteTopic(topicNames.control);
    lose(staged, site);
  }
  for (const site of SHAPE.data) staged.begin(site);
  if (!isRefused) await staged.define();
  else {
    await staged.until('why nothing is written is told, with what helps', async () => {
      await staged.putKeyspace();
      const told = JSON.stringify(await staged.decisionsAt('paris'));
      return told.includes('its logs may not be') && told.includes('tidemark.control back');
    });
    if (await staged.put('paris', 51)) throw new Error('a row was written over what quito holds');
    return;
  }
  for (const n of after) {
    await staged.until('writes are taken again', async () => {
      for (const site of SHAPE.data) if (await staged.put(site, n)) return true;
      return false;
    });
  }
  for (const site of SHAPE.data) {
    await staged.until(`every row is at ${site}`, async () => {
      const rows = (await staged.rowsAt(site)) ?? [];
      return [...before, 6, ...after].every((n) => rows.includes(n));
    });
  }
}

export const EMPTY_REGISTERS: readonly Case[] = STORIES.map((story, i) => ({
  name: `an epoch is begun twice once ${story.lost} are gone`,
  tells: 'the register was empty beside logs that were not, and the first epoch was given again',
  play: () => play(story, 50 + i),
}));
