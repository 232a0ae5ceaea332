import type { Register } from '@tidemark/control/consensus/register';
import { setTermSettings } from '@tidemark/control/consensus/register-changes';
import { initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { ackOf } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { SILENT } from '@tidemark/platform/logger';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../appending/appender.ts';
import { setUpWriter } from '../testing/writer-harness.ts';
import { keepTermSettings, wantedSettings } from './term-settings.ts';

const TRAVEL = travelKeyspace({
  ...{ ack: 'sync(1)', degradeTo: 0 },
  sites: { paris: 'data', tokyo: 'data', quito: 'witness' },
});
const OWNER = { epoch: 2, writerId: 'w2' };

/** paris leads alone, at a lowered level. */
const LOWERED: RegisterValue = {
  ...initialValue(TRAVEL),
  ack: ackOf(0),
  terms: [{ ...OWNER, site: 'paris', epochEnds: null }],
};

describe("a term's settings", () => {
  it('are raised only when sites enough follow, and not touched when they are as they should be', () => {
    expect(wantedSettings(LOWERED, TRAVEL, false)).toBeNull();
    expect(wantedSettings(LOWERED, TRAVEL, true)).toMatchObject({ ack: ackOf(1), degradeTo: 0 });
    expect(wantedSettings({ ...LOWERED, ack: ackOf(1) }, TRAVEL, true)).toBeNull();
  });

  it('follow what operators change, whatever the level', () => {
    const manual = { ...TRAVEL, failover: 'manual' } as const;
    const settings = { failover: 'manual', degradeTo: 0, ack: ackOf(0) };
    expect(wantedSettings(LOWERED, manual, false)).toEqual(settings);
  });

  it("are set by the newest term's writer alone, between elections, and never to a lower level", () => {
    const settings = { ack: ackOf(1), failover: 'automatic', degradeTo: 0 } as const;
    const raised = setTermSettings(LOWERED, 'c', OWNER, settings);
    if (!('value' in raised)) throw new Error(raised.refused);
    expect(raised.value).toMatchObject({ ack: ackOf(1), version: 1 });
    const beganBy = { site: 'tokyo', writerId: 'w3', cause: 'suspicion', reason: '', beganMs: 0, loss: null } as const;
    const refusals = [
      setTermSettings(raised.value, 'c', OWNER, { ...settings, ack: ackOf(0) }),
      setTermSettings(LOWERED, 'c', { ...OWNER, writerId: 'w1' }, settings),
      setTermSettings({ ...LOWERED, election: { ...beganBy, epoch: 3 } }, 'c', OWNER, settings),
    ];
    for (const refusal of refusals) expect(refusal).toMatchObject({ refused: expect.any(String) });
  });
});

describe('a term that keeps its settings', () => {
  /** Its register, which takes every change, and a clock that looks as often as it is let. */
  async function termWith(ack: string, change: (value: RegisterValue) => RegisterValue) {
    const set = await setUpWriter(ack);
    const writer = await set.start();
    const { epoch, writerId } = writer;
    const term = { epoch, writerId, site: 'paris', epochEnds: null };
    const state = { value: change({ ...initialValue(set.keyspace), failover: 'manual', terms: [term] }), looks: 0 };
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
    const kept = keepTermSettings({
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
    const { state, writer, end } = await termWith('sync(1)', (value) => ({ ...value, failover: 'automatic' }));
    await expect.poll(() => state.value.failover).toBe('manual');
    expect(writer.commits.holdsAcked).toBe(false);
    await end();
  });

  it('at a lowered level has no ack wait for a site that is gone, and raises it when that one follows', async () => {
    const { state, writer, network, end } = await termWith('sync(1)', (value) => ({ ...value, ack: ackOf(0) }));
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
