import type { Register } from '@tidemark/control/register';
import { setTerms } from '@tidemark/control/register-changes';
import { initialValue, type RegisterValue } from '@tidemark/control/register-value';
import { evolve } from '@tidemark/schema/evolve';
import { ackOf } from '@tidemark/schema/table';
import { SILENT } from '@tidemark/world/logger';
import { SystemClock } from '@tidemark/world/system-clock';
import { describe, expect, it } from 'vitest';
import { entryOf } from './appender.ts';
import { keepTerms, wantedTerms } from './terms.ts';
import { setUpWriter } from './writer-harness.ts';

const TRAVEL = evolve(null, {
  ...{ keyspace: 'travel', primary: 'paris', ack: 'sync(1)', degradeTo: 0 },
  sites: { paris: 'data', tokyo: 'data', quito: 'witness' },
  tables: { t: { columns: { k: 'string' }, partitionKey: 'k' } },
}).keyspace;
const OWNER = { epoch: 2, writerId: 'w2' };

/** paris reigns alone, at a lowered level. */
const lowered = (tokyo: 'ACTIVE' | 'REBUILD'): RegisterValue => ({
  ...initialValue(TRAVEL),
  ack: ackOf(0),
  members: [
    { site: 'paris', state: 'ACTIVE', logIds: {} },
    { site: 'tokyo', state: tokyo, logIds: {} },
  ],
  reigns: [{ ...OWNER, site: 'paris', cuts: null }],
});

describe("a reign's terms", () => {
  it('are raised only when members enough count, and not touched when they are as they should be', () => {
    expect(wantedTerms(lowered('REBUILD'), TRAVEL, 'paris')).toBeNull();
    expect(wantedTerms(lowered('ACTIVE'), TRAVEL, 'paris')).toMatchObject({ ack: ackOf(1), degradeTo: 0 });
    expect(wantedTerms({ ...lowered('ACTIVE'), ack: ackOf(1) }, TRAVEL, 'paris')).toBeNull();
  });

  it('follow what operators change, whatever the level', () => {
    const manual = { ...TRAVEL, failover: 'manual' } as const;
    const terms = { failover: 'manual', degradeTo: 0, ack: ackOf(0) };
    expect(wantedTerms(lowered('REBUILD'), manual, 'paris')).toEqual(terms);
  });

  it("are set by the newest reign's writer alone, between elections, and never to a lower level", () => {
    const terms = { ack: ackOf(1), failover: 'automatic', degradeTo: 0 } as const;
    const raised = setTerms(lowered('ACTIVE'), 'c', OWNER, terms);
    if (!('value' in raised)) throw new Error(raised.refused);
    expect(raised.value).toMatchObject({ ack: ackOf(1), version: 1 });
    const beganBy = { site: 'tokyo', writerId: 'w3', cause: 'suspicion', reason: '', beganMs: 0, loss: null } as const;
    const refusals = [
      setTerms(raised.value, 'c', OWNER, { ...terms, ack: ackOf(0) }),
      setTerms(lowered('ACTIVE'), 'c', { ...OWNER, writerId: 'w1' }, terms),
      setTerms({ ...lowered('ACTIVE'), election: { ...beganBy, epoch: 3 } }, 'c', OWNER, terms),
    ];
    for (const refusal of refusals) expect(refusal).toMatchObject({ refused: expect.any(String) });
  });
});

it('are taken over where nothing is raised, also while nobody else holds anything', async () => {
  const { start, keyspace } = await setUpWriter('sync(1)');
  const writer = await start();
  const { epoch, writerId } = writer;
  const reign = { epoch, writerId, site: 'paris', cuts: null };
  let value: RegisterValue = { ...initialValue(keyspace), failover: 'automatic', reigns: [reign] };
  const register: Pick<Register, 'change'> = {
    change: async (make) => {
      const changed = make(value, 'c');
      if ('value' in changed) value = changed.value;
      return changed;
    },
  };
  const parts = { writer, clock: new SystemClock(), logger: SILENT, onRaised: async () => {} };
  const kept = keepTerms({ ...parts, register: register as Register, current: () => value });
  await expect.poll(() => value.failover, { timeout: 2_500 }).toBe('manual');
  expect(writer.commits.holdsAcked).toBe(false);
  await writer[Symbol.asyncDispose]();
  await kept;
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
