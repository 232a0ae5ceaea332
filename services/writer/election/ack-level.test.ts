import type { Register } from '@tidemark/control/consensus/register';
import { setTerms } from '@tidemark/control/consensus/register-changes';
import { initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { evolve } from '@tidemark/model/evolve';
import { ackOf } from '@tidemark/model/table';
import { SILENT } from '@tidemark/platform/logger';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../appending/appender.ts';
import { setUpWriter } from '../testing/writer-harness.ts';
import { keepTerms, wantedTerms } from './ack-level.ts';

const TRAVEL = evolve(null, {
  ...{ keyspace: 'travel', primary: 'paris', ack: 'sync(1)', degradeTo: 0 },
  sites: { paris: 'data', tokyo: 'data', quito: 'witness' },
  tables: { t: { columns: { k: 'string' }, partitionKey: 'k' } },
}).keyspace;
const OWNER = { epoch: 2, writerId: 'w2' };

/** paris reigns alone, at a lowered level. */
const LOWERED: RegisterValue = {
  ...initialValue(TRAVEL),
  ack: ackOf(0),
  reigns: [{ ...OWNER, site: 'paris', cuts: null }],
};

describe("a reign's terms", () => {
  it('are raised only when sites enough follow, and not touched when they are as they should be', () => {
    expect(wantedTerms(LOWERED, TRAVEL, false)).toBeNull();
    expect(wantedTerms(LOWERED, TRAVEL, true)).toMatchObject({ ack: ackOf(1), degradeTo: 0 });
    expect(wantedTerms({ ...LOWERED, ack: ackOf(1) }, TRAVEL, true)).toBeNull();
  });

  it('follow what operators change, whatever the level', () => {
    const manual = { ...TRAVEL, failover: 'manual' } as const;
    const terms = { failover: 'manual', degradeTo: 0, ack: ackOf(0) };
    expect(wantedTerms(LOWERED, manual, false)).toEqual(terms);
  });

  it("are set by the newest reign's writer alone, between elections, and never to a lower level", () => {
    const terms = { ack: ackOf(1), failover: 'automatic', degradeTo: 0 } as const;
    const raised = setTerms(LOWERED, 'c', OWNER, terms);
    if (!('value' in raised)) throw new Error(raised.refused);
    expect(raised.value).toMatchObject({ ack: ackOf(1), version: 1 });
    const beganBy = { site: 'tokyo', writerId: 'w3', cause: 'suspicion', reason: '', beganMs: 0, loss: null } as const;
    const refusals = [
      setTerms(raised.value, 'c', OWNER, { ...terms, ack: ackOf(0) }),
      setTerms(LOWERED, 'c', { ...OWNER, writerId: 'w1' }, terms),
      setTerms({ ...LOWERED, election: { ...beganBy, epoch: 3 } }, 'c', OWNER, terms),
    ];
    for (const refusal of refusals) expect(refusal).toMatchObject({ refused: expect.any(String) });
  });
});

describe('a reign that keeps its terms', () => {
  /** Its register, which takes every change, and a clock that looks as often as it is let. */
  async function reignWith(ack: string, change: (value: RegisterValue) => RegisterValue) {
    const set = await setUpWriter(ack);
    const writer = await set.start();
    const { epoch, writerId } = writer;
    const reign = { epoch, writerId, site: 'paris', cuts: null };
    const state = { value: change({ ...initialValue(set.keyspace), failover: 'manual', reigns: [reign] }), looks: 0 };
    const register: Pick<Register, 'change'> = {
      change: async (make) => {
        const changed = make(state.value, 'c');
        if ('value' in changed) state.value = changed.value;
        return changed;
      },
    };
    class Looking extends SystemClock {
      override async sleep(): Promise<void> {
        state.looks++;
        await super.sleep(1);
      }
    }
    const kept = keepTerms({
      ...{ writer, register: register as Register, current: () => state.value },
      ...{ clock: new Looking(), logger: SILENT, onRaised: async () => {} },
    });
    const end = async (): Promise<void> => {
      await writer[Symbol.asyncDispose]();
      await kept;
    };
    return { ...set, writer, state, end };
  }

  it('takes over what operators changed, also while nobody else holds anything', async () => {
    const { state, writer, end } = await reignWith('sync(1)', (value) => ({ ...value, failover: 'automatic' }));
    await expect.poll(() => state.value.failover).toBe('manual');
    expect(writer.commits.holdsAcked).toBe(false);
    await end();
  });

  it('at a lowered level has no ack wait for a site that is gone, and raises it when that one follows', async () => {
    const { state, writer, network, end } = await reignWith('sync(1)', (value) => ({ ...value, ack: ackOf(0) }));
    writer.commits.setK(0);
    const entry = entryOf({ kind: 'Noop' });
    writer.appenders[0]!.enqueue(entry);
    await writer.wait(0, entry, 0);
    const seen = state.looks;
    while (state.looks < seen + 30) {
      expect(writer.commits.k).toBe(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    network.say(1_000, 'tokyo');
    await expect.poll(() => state.value.ack).toEqual(ackOf(1));
    expect([writer.commits.k, writer.level]).toEqual([1, ackOf(1)]);
    await end();
  });
});

describe('a level that is raised', () => {
  it('lets no ack go by the lower one from then on, and holds once all that was acked is elsewhere too', async () => {
    const { start, network } = await setUpWriter('local');
    await using writer = await start();
    const { commits } = writer;
    const append = (): { done: boolean; seq: () => number } => {
      const entry = entryOf({ kind: 'Noop' });
      writer.appenders[0]!.enqueue(entry);
      const told = { done: false, seq: () => entry.seq };
      void writer.wait(0, entry, 0).then(() => {
        told.done = true;
      });
      return told;
    };
    const first = append();
    await expect.poll(() => first.done).toBe(true);
    expect(commits.holdsAcked).toBe(true);
    commits.setK(1);
    const second = append();
    await expect.poll(() => commits.committed(0, 0)).toBeGreaterThanOrEqual(second.seq());
    expect([second.done, commits.holdsAcked]).toEqual([false, false]);
    network.say(second.seq() - 1, 'tokyo');
    await expect.poll(() => commits.holdsAcked).toBe(true);
    expect(second.done).toBe(false);
    network.say(second.seq(), 'tokyo');
    await expect.poll(() => second.done).toBe(true);
  });
});
