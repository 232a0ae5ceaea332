import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { steady, Town, travel } from '../testing/fake-town.ts';

const THREE = { paris: 'data', tokyo: 'data', quito: 'data' } as const;
const SEEDS = Number(process.env.DETECTOR_SEEDS ?? 12);

function town(change: Parameters<typeof steady>[1] = {}, seed = 1, ack = 'sync(1)'): Town {
  const keyspace = travel(THREE, ack);
  return new Town(keyspace, steady(keyspace, change), seed);
}

describe('detector', () => {
  it('a killed primary is given up within 3 s, once, for the best candidate, by the first in the order', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await using t = town({}, seed);
      await t.clock.advance(5_000 + seed * 37);
      const killedMs = t.clock.monotonicMs();
      t.dead.add('paris');
      await t.clock.advance(4_000);
      expect(t.nominations).toMatchObject([{ by: 'quito', to: 'tokyo', version: 2 }]);
      expect(t.nominations[0]!.atMs - killedMs).toBeLessThanOrEqual(3_000);
      const [decision] = t.decisions;
      expect(decision).toMatchObject({ kind: 'failover', outcome: 'begun', from: 'paris', to: 'tokyo' });
      expect(decision!.saw.map(({ site, suspects }) => [site, suspects])).toEqual([
        ['quito', true],
        ['tokyo', true],
      ]);
      const [detection] = decision!.phases;
      expect([detection!.name, detection!.ms >= 2_000, detection!.ms <= 3_000]).toEqual(['detection', true, true]);
      t.promote('tokyo');
      await t.clock.advance(20_000);
      expect(t.nominations).toHaveLength(1);
    }
  });

  it('a machine that is lost is given the whole limit: it says nothing, as one that is cut off', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await using t = town({}, seed);
      await t.clock.advance(5_000 + seed * 37);
      t.link(['paris'], ['tokyo', 'quito'], false);
      await t.clock.advance(3_250);
      expect(t.nominations).toEqual([]);
      await t.clock.advance(1_500);
      expect(t.nominations).toMatchObject([{ by: 'quito', to: 'tokyo' }]);
    }
  });

  it('a process that is gone and back within 2 s is not given up, however often', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await using t = town({}, seed);
      await t.clock.advance(5_000 + seed * 37);
      for (let turn = 0; turn < 4; turn++) {
        t.dead.add('paris');
        await t.clock.advance(2_000);
        t.dead.clear();
        await t.clock.advance(1_000);
      }
      expect([t.nominations, t.decisions]).toEqual([[], []]);
    }
  });

  it('cuts of up to 3 s, one way or both, pauses of watchdogs and lost boards nominate nobody', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new SeededRandom(seed);
      const one = <T>(all: readonly T[]): T => all[integerBetween(random, 0, all.length - 1)]!;
      await using t = town({}, seed);
      t.boards = random.fraction() < 0.5;
      await t.clock.advance(5_000);
      for (let turn = 0; turn < 4; turn++) {
        const trouble = one(['both ways', 'one way', 'pause', 'all'] as const);
        const ms = integerBetween(random, 500, 3_000);
        if (trouble === 'both ways') t.link(['paris'], [one(['tokyo', 'quito'])], false);
        if (trouble === 'one way') t.cut.add(one(['paris>tokyo', 'tokyo>paris', 'paris>quito', 'quito>paris']));
        if (trouble === 'pause') t.paused.add(one(['tokyo', 'quito', 'paris']));
        if (trouble === 'all') t.link(['paris'], ['tokyo', 'quito'], false);
        await t.clock.advance(ms);
        t.cut.clear();
        t.paused.clear();
        await t.clock.advance(integerBetween(random, 1_000, 4_000));
      }
      expect([t.nominations, t.decisions]).toEqual([[], []]);
    }
  });

  it('watchdogs that were stopped for a minute judge nobody by what they missed', async () => {
    await using t = town();
    await t.clock.advance(5_000);
    for (const site of ['tokyo', 'quito']) t.paused.add(site);
    await t.clock.advance(60_000);
    t.paused.clear();
    await t.clock.advance(1_000);
    expect(t.detector('tokyo').healthVote('travel')).toMatchObject({
      suspects: false,
      abstains: /held up for \d+\.\d s/,
    });
    await t.clock.advance(20_000);
    expect(t.nominations).toEqual([]);
    expect(t.detector('tokyo').healthVote('travel')).toMatchObject({ suspects: false, abstains: null });
  });

  it('a minority that hears nothing gives nobody up, however long', async () => {
    await using t = town();
    await t.clock.advance(5_000);
    t.link(['tokyo'], ['paris', 'quito'], false);
    await t.clock.advance(60_000);
    expect(t.detector('tokyo').healthVote('travel').suspects).toBe(true);
    expect([t.nominations, t.decisions]).toEqual([[], []]);
  });

  it('a primary whose writer is dead and whose process answers is its own affair; so is one without boards', async () => {
    await using t = town();
    await t.clock.advance(5_000);
    t.writes = false;
    await t.clock.advance(30_000);
    t.writes = true;
    t.boards = false;
    await t.clock.advance(30_000);
    expect([t.nominations, t.decisions]).toEqual([[], []]);
  });

  it('any one sign keeps it alive: barriers alone, or heartbeats alone; without any it is given up', async () => {
    for (const sign of ['barriers', 'heartbeats'] as const) {
      await using t = town();
      await t.clock.advance(5_000);
      t.mute.add('paris');
      t.boards = sign === 'heartbeats';
      t.writes = sign === 'barriers';
      await t.clock.advance(30_000);
      expect(t.nominations).toEqual([]);
      t.boards = false;
      t.writes = false;
      await t.clock.advance(5_000);
      expect(t.nominations).toHaveLength(1);
    }
  });

  it('with every board gone a lost primary is found all the same, by barriers and probes', async () => {
    await using t = town();
    t.boards = false;
    await t.clock.advance(10_000);
    t.dead.add('paris');
    await t.clock.advance(4_000);
    expect(t.nominations).toHaveLength(1);
  });

  it('the first in the order cannot act: another one does after a while', async () => {
    await using t = town();
    await t.clock.advance(5_000);
    t.dead.add('paris');
    t.deaf.add('quito');
    await t.clock.advance(4_000);
    expect(t.nominations).toEqual([]);
    await t.clock.advance(3_000);
    expect(t.nominations).toMatchObject([{ by: 'tokyo' }]);
  });

  it('a candidate that was nominated and is never named in the register is nominated again', async () => {
    await using t = town();
    await t.clock.advance(5_000);
    t.dead.add('paris');
    await t.clock.advance(20_000);
    expect(t.nominations.length).toBeGreaterThanOrEqual(3);
    expect(new Set(t.nominations.map(({ to, version }) => `${to} ${version}`))).toEqual(new Set(['tokyo 2']));
  });

  it('what no rule lets happen is stored once for each cause, with its remedy, and told anew of a new silence', async () => {
    const cases = [
      [{ paused: true }, 'sync(1)', 'recommendation', 'done', /watchdog resume/],
      [{ failover: 'manual' }, 'sync(1)', 'recommendation', 'done', /tidemark failover/],
      [{}, 'local', 'recommendation', 'done', /--dry-run/],
      [{ lastFailover: { epoch: 1, atMs: 1_700_000_000_000 } }, 'sync(1)', 'recommendation', 'done', /look at what/],
      [{}, 'sync(2)', 'refusal', 'refused', /bring paris back/],
    ] as const;
    for (const [change, ack, kind, outcome, remedy] of cases) {
      await using t = town(change, 1, ack);
      await t.clock.advance(5_000);
      t.dead.add('paris');
      await t.clock.advance(30_000);
      expect(t.nominations).toEqual([]);
      const mine = t.decisions.filter(({ site }) => site === 'quito');
      expect(mine).toHaveLength(1);
      expect(mine[0]).toMatchObject({ kind, outcome, from: 'paris', remedy: expect.stringMatching(remedy) });
      if (kind === 'recommendation') expect(mine[0]!.to).toBe('tokyo');
      t.dead.clear();
      await t.clock.advance(5_000);
      t.dead.add('paris');
      await t.clock.advance(6_000);
      expect(t.decisions.filter(({ site }) => site === 'quito')).toHaveLength(2);
    }
  });

  it('of two data sites alone the one that is left holds still and says why; a witness makes the difference', async () => {
    const two = travel({ paris: 'data', tokyo: 'data' });
    await using held = new Town(two, steady(two));
    await held.clock.advance(5_000);
    held.dead.add('paris');
    await held.clock.advance(20_000);
    expect(held.nominations).toEqual([]);
    expect(held.decisions).toMatchObject([
      { kind: 'refusal', outcome: 'refused', wouldHavePrevented: expect.stringMatching(/witness/) },
    ]);
    const watched = travel({ paris: 'data', tokyo: 'data', lima: 'data', vienna: 'witness', oslo: 'witness' });
    await using t = new Town(watched, steady(watched));
    await t.clock.advance(5_000);
    t.dead.add('paris');
    await t.clock.advance(4_000);
    expect(t.nominations).toMatchObject([{ to: 'tokyo' }]);
  });

  it('a candidate that refuses is asked again, and nothing is told as if it had begun', async () => {
    await using t = town();
    t.answer = { status: 409, body: { detail: 'tokyo is being rebuilt' } };
    await t.clock.advance(5_000);
    t.dead.add('paris');
    await t.clock.advance(8_000);
    expect([t.nominations, t.decisions]).toEqual([[], []]);
    t.answer = { status: 202, body: {} };
    await t.clock.advance(1_000);
    expect(t.nominations).not.toEqual([]);
  });
});
