import { initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { SILENT } from '@tidemark/platform/logger';
import type { Answer } from '@tidemark/platform/network';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { sampleKeyspace } from '../testing/log-maker.ts';
import { CatchUp } from './catch-up.ts';

const epochEnd = (seq: number, chain = `c${seq}`) => ({ seq, chain });

/** Paris led twice, tokyo in between; quito has lost everything it had of them. */
function valueWith(state: 'ACTIVE' | 'RECOVERING'): RegisterValue {
  const value = initialValue(sampleKeyspace());
  return {
    ...value,
    members: value.members.map((member) => (member.site === 'quito' ? { ...member, state } : member)),
    terms: [
      { epoch: 1, site: 'paris', writerId: 'a', epochEnds: [epochEnd(4), epochEnd(-1, '')] },
      { epoch: 2, site: 'tokyo', writerId: 'b', epochEnds: [epochEnd(2), epochEnd(7)] },
      { epoch: 3, site: 'paris', writerId: 'c', epochEnds: null },
    ],
  };
}

function catchUpOf(value: RegisterValue, keyspaces: readonly string[] = ['ks']) {
  const filled: { readonly at: string; readonly origin: string; readonly epoch: number }[] = [];
  const heads: Record<string, [number, number, string][]> = {
    paris: [
      [0, -1, ''],
      [0, -1, ''],
    ],
    tokyo: [
      [2, 2, 'c2'],
      [2, 3, 'c3'],
    ],
  };
  const asked: string[] = [];
  const ask = async (url: string, body: object | null): Promise<Answer> => {
    asked.push(url);
    const told = (body as { readonly keyspaces?: readonly string[] } | null)?.keyspaces;
    if (body === null || told !== undefined) {
      const copies = Object.entries(heads).map(([origin, positions]) => ({
        origin,
        positions,
        logId: 'x',
        trusted: true,
        vouched: null,
      }));
      const answer = { site: 'quito', copies };
      if (told === undefined) return { status: 200, body: answer };
      return { status: 200, body: { answers: Object.fromEntries(told.map((one) => [one, answer])) } };
    }
    const { origin, epoch, epochEnds } = body as {
      origin: string;
      epoch: number;
      epochEnds: { seq: number; chain: string }[];
    };
    filled.push({ at: url, origin, epoch });
    heads[origin] = epochEnds.map(({ seq, chain }) => [epoch, seq, chain]);
    return { status: 200, body: { complete: true } };
  };
  const membership = { network: { ask }, registerValue: () => value } as never;
  const clock = new SimClock();
  const parts = { site: 'quito', clock, logger: SILENT, membership, keyspaces: () => keyspaces };
  return { catchUp: new CatchUp(parts), filled, heads, asked, clock };
}

describe('a site that is to be filled again', () => {
  it('fills closed terms that it does not hold whole, oldest first, and then no more', async () => {
    const { catchUp, filled } = catchUpOf(valueWith('RECOVERING'));
    while (await catchUp.look('ks'));
    expect(filled).toEqual([
      { at: 'site://quito/v1/internal/fill/ks', origin: 'paris', epoch: 1 },
      { at: 'site://quito/v1/internal/fill/ks', origin: 'tokyo', epoch: 2 },
    ]);
  });

  it('while it counts fills only what stands still: what moves is being copied', async () => {
    const { catchUp, filled, heads } = catchUpOf(valueWith('ACTIVE'));
    for (let seq = 0; seq < 4; seq++) {
      expect(await catchUp.look('ks')).toBe(false);
      heads.paris![0] = [1, seq, `c${seq}`];
    }
    expect(filled).toEqual([]);
    expect(await catchUp.look('ks')).toBe(false);
    expect(await catchUp.look('ks')).toBe(true);
    expect(filled).toEqual([{ at: 'site://quito/v1/internal/fill/ks', origin: 'paris', epoch: 1 }]);
  });

  it('asks for the copies of all keyspaces at once, and fills each', async () => {
    const keyspaces = Array.from({ length: 40 }, (_, i) => `ks${i}`);
    const { catchUp, asked, filled, clock } = catchUpOf(valueWith('RECOVERING'), keyspaces);
    const stop = new AbortController();
    const running = catchUp.run(stop.signal);
    await clock.advance(2_000);
    expect(new Set(filled.map(({ at }) => at)).size).toBe(40);
    asked.length = 0;
    await clock.advance(20_000);
    // Two questions a look: one asks for 32 at most.
    expect(asked).toEqual(Array.from({ length: 2 * 10 }, () => 'site://quito/v1/internal/copies'));
    stop.abort();
    await clock.advance(2_000);
    await running;
  });
});
