/**
 * A site's folder, log or both were put back to an older copy, and then another site is lost. Whoever leads then has
 * every row that was acked; or nobody leads until the lost site is back, and that is told.
 */

import type { Case } from './case.ts';
import { type Kind, Staged } from './staged.ts';

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
const ROWS = Array.from({ length: 20 }, (_, i) => 100 + i);

type Story = {
  readonly kind: Kind;
  /** Whose copy is older than it was. */
  readonly old: string;
  /** Who holds what was acked beside that one, and is lost. */
  readonly lost: string;
  /** Who was away meanwhile. */
  readonly away: string;
  /** It was away already when the copy was made: it remembers nothing that the copy lacks. */
  readonly knowsNothing?: true;
};

const STORIES: readonly Story[] = [
  ...(['both', 'log', 'folder', 'control'] as const).map((kind) => {
    return { kind, old: 'tokyo', lost: 'paris', away: 'quito' };
  }),
  { kind: 'both', old: 'tokyo', lost: 'paris', away: 'quito', knowsNothing: true },
  { kind: 'both', old: 'paris', lost: 'tokyo', away: 'quito' },
  { kind: 'log', old: 'paris', lost: 'tokyo', away: 'quito' },
];

async function play(story: Story, seed: number): Promise<void> {
  const { kind, old, lost, away, knowsNothing } = story;
  const staged = await Staged.open(seed, SHAPE);
  await staged.rest(2_000);
  if (knowsNothing) staged.stop(away);
  await staged.rest(1_000);
  staged.stop(old);
  const kept = staged.keep(old);
  staged.begin(old);
  await staged.until('the primary is back', () => staged.put('paris', 1));
  await staged.rest(2_000);
  if (!knowsNothing) staged.stop(away);
  await staged.rest(500);
  const acked: number[] = [];
  for (const n of ROWS) if (await staged.put('paris', n)) acked.push(n);
  if (acked.length === 0) throw new Error('nothing was acked');
  staged.stop(old);
  staged.stop(lost);
  kept.putBack(kind);
  staged.begin(old);
  staged.begin(away);
  await staged.rest(15_000);
  for (const site of [old, away]) await staged.nominate(site);
  await staged.rest(15_000);
  const leaders = [];
  for (const site of [old, away]) if (await staged.put(site, 900)) leaders.push(site);
  const missing = async (site: string): Promise<number> => {
    const rows = (await staged.rowsAt(site)) ?? [];
    return acked.filter((n) => !rows.includes(n)).length;
  };
  for (const site of leaders) {
    if ((await missing(site)) > 0) throw new Error(`${site} leads, and ${await missing(site)} acked rows are gone`);
  }
  if (leaders.length === 0) await told(staged, [old, away]);
  staged.begin(lost);
  await staged.until('writes are taken again', async () => {
    for (const site of SHAPE.data) if (await staged.put(site, 901)) return true;
    return false;
  });
  for (const site of SHAPE.data) {
    await staged.until(`every row is at ${site}`, async () => (await missing(site)) === 0);
  }
}

/** That nothing is written, and what helps, stands in the history of a site; why the election waits, in its status. */
async function told(staged: Staged, sites: readonly string[]): Promise<void> {
  await staged.until(
    'the election that waits is told',
    async () => {
      for (const site of sites) {
        const open = (await staged.decisionsAt(site)).some(
          ({ outcome, remedy }) => (outcome === 'begun' || outcome === 'failed') && remedy !== null,
        );
        const { body } = await staged.ask(site, 'GET', '/v1/status');
        const [status] = body.keyspaces as readonly { phase: string; election: { waits: unknown } | null }[];
        if (open && (status?.election == null || status.election.waits !== null)) return true;
      }
      return false;
    },
    40_000,
  );
}

/** The primary lives, and remembers what the copy had: it is another one from then on, and is readmitted. */
async function playAtWriter(seed: number): Promise<void> {
  const staged = await Staged.open(seed, SHAPE);
  await staged.rest(2_000);
  staged.stop('quito');
  staged.stop('tokyo');
  const kept = staged.keep('tokyo');
  staged.begin('tokyo');
  await staged.until('the primary has tokyo again', () => staged.put('paris', 1));
  for (const n of ROWS) await staged.until('a row', () => staged.put('paris', n));
  staged.stop('tokyo');
  kept.putBack('both');
  // The origin's log is away, so that nothing can be copied from it; its process lives.
  staged.world.site('paris').store.reachable = false;
  staged.begin('tokyo');
  await staged.rest(8_000);
  const isOlder = staged.world.trace.lines().some((line) => /tokyo .*mirror.paris (is older|lost its end)/.test(line));
  staged.world.site('paris').store.reachable = true;
  if (!isOlder) throw new Error('tokyo does not know that its copy is older than it was');
  staged.begin('quito');
  await staged.until('writes are taken again', () => staged.put('paris', 2));
  for (const site of SHAPE.data) {
    await staged.until(`every row is at ${site}`, async () => {
      const rows = (await staged.rowsAt(site)) ?? [];
      return ROWS.every((n) => rows.includes(n));
    });
  }
}

const AT_WRITER: Case = {
  name: 'an older both of tokyo is believed by its writer',
  tells: 'paris had counted what tokyo held, and went on counting on it',
  play: () => playAtWriter(30),
};

export const OLD_COPIES: readonly Case[] = [AT_WRITER, ...STORIES.map(caseOf)];

function caseOf(story: Story, i: number): Case {
  const { kind, old, lost, away, knowsNothing } = story;
  const whoKnows = knowsNothing ? `, of which ${away} knows nothing,` : '';
  return {
    name: `an older ${kind} of ${old}${whoKnows} is believed once ${lost} is lost`,
    tells: `${away} was away while rows were acked, so only ${old} and ${lost} had them`,
    play: () => play(story, 5 + i),
  };
}
