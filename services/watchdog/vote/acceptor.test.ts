import { type ControlBody, encodeControl } from '@tidemark/control/audit/control-record';
import { answerOf, foldAcceptor, NO_ACCEPTOR, readVoteRecord } from '@tidemark/control/consensus/acceptor';
import { type Ballot, COUNTER_STEP_MAX } from '@tidemark/control/consensus/ballot';
import { beginElection, commitElection } from '@tidemark/control/consensus/register-changes';
import type { RegisterAnswer, RegisterRequest } from '@tidemark/control/consensus/register-request';
import { CHANGES_KEPT, initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import type { ControlEnd } from '@tidemark/control/consensus/vouching';
import type { Log } from '@tidemark/log/log';
import { SimLog, SimLogStore } from '@tidemark/log/sim/sim-log';
import { topicNames } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { isFault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import { SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Acceptor } from './acceptor.ts';

const TOPIC = topicNames.control;
const LOG = { cluster: 'c', origin: 'paris' };
const INITIAL = initialValue(travelKeyspace());
const ballotOf = (counter: number): Ballot => ({ counter, site: 'tokyo', process: 'p' });
/** After so many changes that say nothing. */
const atVersion = (version: number): RegisterValue => {
  const changes = Array.from({ length: version }, (_, i) => `c${i + 1}`).slice(-CHANGES_KEPT);
  return { ...INITIAL, version, changes, changeId: changes.at(-1) ?? '' };
};
const valued = (change: { readonly value: RegisterValue } | { readonly refused: string }): RegisterValue =>
  (change as { readonly value: RegisterValue }).value;

/** One site's control topic, and the processes that vote on it, one after the other or at once. */
function world() {
  const clock = new SimClock();
  const store = new SimLogStore(clock);
  const ownDisk = new SimDisk();
  const random = new SeededRandom(7);
  const alarms: object[] = [];
  const fatal: unknown[] = [];
  const chosen: RegisterValue[] = [];
  const hints: number[] = [];
  const open: Acceptor[] = [];
  const topic = async (log: Log = new SimLog(store)): Promise<void> => {
    await log.ensureTopic({ name: TOPIC, partitions: 1, genesis: () => Uint8Array.of(1), flushed: true });
  };
  /** @param disk of the process: two that run at once never share one */
  const start = async (
    disk = ownDisk,
    told: ControlEnd | null = null,
    gapMs: number | null = null,
  ): Promise<Acceptor> => {
    await topic();
    const log = new SimLog(store);
    const acceptor: Acceptor = new Acceptor({
      sites: 3,
      toldBy: () => {
        if (told !== null) acceptor.remembered('tokyo', told, gapMs);
        return 2;
      },
      ensureTopic: () => topic(log),
      cluster: 'c',
      site: 'paris',
      log,
      disk,
      clock,
      random,
      logger: { ...SILENT, error: (fields) => alarms.push(fields) },
      onChosen: (value) => chosen.push(value),
      onHint: (_, version) => hints.push(version),
      onFatal: (error) => fatal.push(error),
    });
    acceptor.start();
    open.push(acceptor);
    await clock.advance(20_000);
    return acceptor;
  };
  const append = async (value: Uint8Array): Promise<void> => {
    await new SimLog(store).append(TOPIC, 0, [{ value }]);
  };
  const record = (body: ControlBody, where = {}): Uint8Array =>
    encodeControl({ cluster: 'c', site: 'paris', keyspace: 'travel', timeMs: 0, ...where, body });
  /** What stands in the topic, in order. */
  const values = (): Uint8Array[] => store.topic(TOPIC)!.partitions[0]!.records.map(({ value }) => value);
  const stop = async (): Promise<void> => {
    await Promise.all(open.map((acceptor) => acceptor[Symbol.asyncDispose]()));
  };
  return { clock, store, alarms, fatal, chosen, hints, start, append, record, values, [Symbol.asyncDispose]: stop };
}

/** The answer that follows from the topic at the request's own record. */
function answerInTopic(topic: readonly Uint8Array[], request: RegisterRequest & { readonly ballot: Ballot }) {
  let state = NO_ACCEPTOR;
  const answers: RegisterAnswer[] = [];
  for (const value of topic) {
    const voted = readVoteRecord(LOG, value);
    if (voted === null || 'ignored' in voted) continue;
    const { body } = voted.record;
    const folded = foldAcceptor(state, voted.record);
    state = folded.state;
    const kind = request.kind === 'prepare' ? 'Prepare' : 'Accept';
    if (body.kind === kind && body.ballot.counter === request.ballot.counter)
      answers.push(answerOf(state, 'travel', request, folded.ok));
  }
  return answers;
}

type Step =
  | { readonly kind: 'prepare' | 'accept'; readonly counter: number; readonly by: number; readonly fate: number }
  | { readonly kind: 'restart'; readonly which: number }
  | { readonly kind: 'wait' };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom('prepare' as const, 'accept' as const),
        counter: fc.integer({ min: 1, max: 9 }),
        by: fc.nat(1),
        fate: fc.nat(9),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), which: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'wait' as const }) },
  ),
  { maxLength: 14 },
);

describe('acceptor of a site', () => {
  it('says only what follows from the topic at the request’s own record, whoever else writes there', async () => {
    const run = async (all: Step[]): Promise<void> => {
      await using w = world();
      const disks = [new SimDisk(), new SimDisk()];
      const processes = [await w.start(disks[0]), await w.start(disks[1])];
      const heard: {
        readonly request: RegisterRequest & { readonly ballot: Ballot };
        readonly answer: RegisterAnswer;
      }[] = [];
      for (const step of all) {
        if (step.kind === 'wait') await w.clock.advance(5_000);
        else if (step.kind === 'restart') processes[step.which] = await w.start(disks[step.which]);
        else {
          const lost = { answer: 'unknown', lands: step.fate === 0 ? 'now' : { afterMs: 1_000 } } as const;
          w.store.fate = () => (step.fate < 2 ? lost : step.fate === 2 ? { answer: 'refused' } : { answer: 'stored' });
          const ballot = ballotOf(step.counter);
          const request =
            step.kind === 'prepare'
              ? { kind: step.kind, ballot }
              : { kind: step.kind, ballot, value: atVersion(step.counter) };
          const asked = processes[step.by]!.answer('travel', request);
          void asked.then(
            (answer) => heard.push({ request, answer }),
            () => {},
          );
          if (step.fate % 2 === 0) await w.clock.advance(100);
        }
      }
      await w.clock.advance(20_000);
      for (const { request, answer } of heard) expect(answerInTopic(w.values(), request)).toContainEqual(answer);
      const ids = new Set(heard.map(({ answer }) => answer.acceptor));
      expect(ids.size).toBeLessThan(2);
      expect(w.fatal).toEqual([]);
    };
    await fc.assert(fc.asyncProperty(steps, run), { numRuns: 60 });
  });

  it('keeps its promises and what it accepted when its process is another one', async () => {
    await using w = world();
    const first = await w.start();
    await first.answer('travel', { kind: 'prepare', ballot: ballotOf(5) });
    await first.answer('travel', { kind: 'accept', ballot: ballotOf(5), value: atVersion(3) });
    const second = await w.start();
    expect(second.id).toBe(first.id);
    const refused = await second.answer('travel', { kind: 'prepare', ballot: ballotOf(5) });
    expect(refused).toMatchObject({ ok: false, promised: { counter: 5 }, accepted: { value: { version: 3 } } });
    expect(await second.answer('hotels', { kind: 'prepare', ballot: ballotOf(1) })).toMatchObject({ ok: true });
  });

  it('a process that slept answers a read and a lease by what another one wrote meanwhile', async () => {
    await using w = world();
    const [sleeper, awake] = [await w.start(), await w.start()];
    const candidate = { site: 'paris', writerId: 'w', cause: 'start', reason: '', beganMs: 0, loss: null } as const;
    const electing = valued(beginElection(INITIAL, 'one', { ...candidate, version: 0 }));
    const commit = { epoch: 1, writerId: 'w', epochEnds: null, reported: [], ack: INITIAL.ack, nowMs: 0 };
    const steady = valued(commitElection(electing, 'two', commit));
    const again = valued(beginElection(steady, 'three', { ...candidate, writerId: 'v', version: 2 }));
    const lease = { kind: 'lease', epoch: 1, writerId: 'w' } as const;
    expect(await sleeper.answer('travel', lease)).toMatchObject({ ok: false });
    const granted: boolean[] = [];
    for (const [index, value] of [electing, steady, again].entries()) {
      await awake.answer('travel', { kind: 'accept', ballot: ballotOf(index + 1), value });
      expect((await sleeper.answer('travel', { kind: 'read' })).accepted?.value).toEqual(value);
      granted.push((await sleeper.answer('travel', lease)).ok);
    }
    expect(granted).toEqual([false, true, false]);
    expect(await sleeper.answer('travel', { ...lease, writerId: 'v' })).toMatchObject({ ok: false });
  });

  it('takes what it is told was chosen for a hint, and writes it down once, when a quorum has said so', async () => {
    await using w = world();
    const acceptor = await w.start();
    const told = { kind: 'chosen', ballot: ballotOf(2), value: atVersion(1) } as const;
    const before = w.values().length;
    expect(await acceptor.answer('travel', told)).toMatchObject({ accepted: null });
    expect(w.values()).toHaveLength(before);
    expect([w.hints, w.chosen]).toEqual([[1], []]);
    await acceptor.note(told);
    const end = w.values().length;
    await acceptor.note(told);
    await acceptor.answer('travel', told);
    expect([w.values().length, w.hints]).toEqual([end, [1]]);
    expect(w.chosen).toEqual([atVersion(1)]);
    await w.start();
    expect(w.chosen).toEqual([atVersion(1), atVersion(1)]);
  });

  it('refuses what nobody may ask, by name, without a record and without ending its process', async () => {
    await using w = world();
    const acceptor = await w.start();
    const counter = COUNTER_STEP_MAX + 1;
    const candidate = { site: 'paris', writerId: 'w', cause: 'start', reason: '', beganMs: 0, loss: null } as const;
    const electing = valued(beginElection(INITIAL, 'one', { ...candidate, version: 0 }));
    const commit = { epoch: 1, writerId: 'w', epochEnds: null, reported: [], ack: INITIAL.ack, nowMs: 0 };
    const steady = valued(commitElection(electing, 'two', commit));
    await acceptor.note({ ballot: ballotOf(2), value: steady });
    const forged = { ...steady, version: 3, changeId: 'three', changes: ['one', 'two', 'three'], nextEpoch: 9 };
    const end = w.values().length;
    for (const request of [
      { kind: 'prepare', ballot: ballotOf(2 + counter) },
      { kind: 'accept', ballot: ballotOf(7), value: forged },
      { kind: 'accept', ballot: ballotOf(7), value: { ...steady, paused: true } },
      { kind: 'accept', ballot: ballotOf(7), value: atVersion(3) },
      { kind: 'chosen', ballot: ballotOf(7), value: forged },
    ] as const) {
      const error = await acceptor.answer('travel', request).catch((e: unknown) => e);
      expect(isFault(error, 'conflict')).toBe(true);
      expect((error as Error).message).toMatch(/version 2|above 2/);
    }
    expect(w.values()).toHaveLength(end);
    expect([w.fatal, w.alarms]).toEqual([[], []]);
    const next = { ...forged, nextEpoch: steady.nextEpoch, paused: true };
    expect(await acceptor.answer('travel', { kind: 'accept', ballot: ballotOf(7), value: next })).toMatchObject({
      ok: true,
    });
  });

  it('alarms about what is poisoned in its topic, and votes as if it were not there', async () => {
    await using w = world();
    const before = await w.start();
    await before.answer('travel', { kind: 'accept', ballot: ballotOf(2), value: atVersion(1) });
    const good = w.record({ kind: 'Prepare', ballot: ballotOf(99) });
    const flipped = Uint8Array.from(good);
    flipped[good.length >> 1]! ^= 4;
    const poison = [
      flipped,
      good.subarray(0, good.length - 3),
      w.record({ kind: 'Prepare', ballot: ballotOf(98) }, { cluster: 'd' }),
      w.record({ kind: 'Prepare', ballot: ballotOf(97) }, { site: 'tokyo' }),
      w.record({ kind: 'Accept', ballot: ballotOf(96), value: '{"keyspace":"travel"}' }),
      w.record({ kind: 'Chosen', ballot: ballotOf(95), value: 'not json' }),
      w.record({ kind: 'Accept', ballot: ballotOf(94), value: JSON.stringify({ ...INITIAL, keyspace: 'hotels' }) }),
    ];
    for (const value of poison) await w.append(value);
    await w.append(new Uint8Array(0));
    await w.append(Buffer.from('hello'));
    await w.append(w.record({ kind: 'Acceptor', id: 'an impostor' }));
    const after = await w.start();
    for (const acceptor of [before, after]) {
      expect(await acceptor.answer('travel', { kind: 'read' })).toMatchObject({
        acceptor: before.id,
        promised: { counter: 2 },
        accepted: { value: { version: 1 } },
      });
      expect(acceptor.ignored).toBe(poison.length);
    }
    expect(w.alarms).toHaveLength(2 * poison.length);
    expect(w.fatal).toEqual([]);
  });

  it('waits for a log that is away, and says so to who asks', async () => {
    await using w = world();
    const first = await w.start();
    w.store.reachable = false;
    const asked = first.answer('travel', { kind: 'prepare', ballot: ballotOf(1) }).catch((error: unknown) => error);
    await w.clock.advance(10_000);
    expect(isFault(await asked, 'unavailable')).toBe(true);
    w.store.reachable = true;
    expect(await first.answer('travel', { kind: 'prepare', ballot: ballotOf(1) })).toMatchObject({ ok: true });
    expect(w.fatal).toEqual([]);
  });

  it('is another acceptor once its topic was trimmed past where it began, and ends no process over that', async () => {
    await using w = world();
    const first = await w.start();
    const { id } = first;
    await w.append(Uint8Array.of(2));
    await w.append(Uint8Array.of(3));
    // Behind the start while it runs.
    await new SimLog(w.store).trim(TOPIC, 0, 4);
    const asked = first.answer('travel', { kind: 'read' }).catch((error: unknown) => error);
    await w.clock.advance(20_000);
    expect(await asked).toSatisfy((error) => isFault(error, 'unavailable'));
    expect(first.id).not.toBe(id);
    expect(first.id).not.toBeNull();
    await first[Symbol.asyncDispose]();
    // Behind what began it while it was stopped.
    const { end } = await new SimLog(w.store).bounds(TOPIC, 0);
    await new SimLog(w.store).trim(TOPIC, 0, end);
    const second = await w.start();
    expect([null, id, first.id]).not.toContain(second.id);
    expect(JSON.stringify(w.alarms)).toContain(first.id);
    expect(w.fatal).toEqual([]);
  });

  it('keeps its vote when only what stood before it was trimmed', async () => {
    await using w = world();
    const first = await w.start();
    const { id } = first;
    await first[Symbol.asyncDispose]();
    await new SimLog(w.store).trim(TOPIC, 0, 1);
    const second = await w.start();
    expect(second.id).toBe(id);
    expect(w.fatal).toEqual([]);
  });

  it('is another acceptor once its topic was lost or lost its end, and ends no process over that', async () => {
    for (const lose of ['topic', 'all', 'promise'] as const) {
      await using w = world();
      const first = await w.start();
      await first.answer('travel', { kind: 'accept', ballot: ballotOf(5), value: atVersion(1) });
      await first.answer('travel', { kind: 'prepare', ballot: ballotOf(7) });
      const ids = [first.id];
      if (lose === 'topic') w.store.deleteTopic(TOPIC);
      else w.store.loseEnd(TOPIC, 0, lose === 'all' ? 1 : 3);
      for (let turn = 0; turn < 3; turn++) {
        const asked = first.answer('travel', { kind: 'read' }).catch((error: unknown) => error);
        await w.clock.advance(20_000);
        // Whoever asks meanwhile is told to ask again.
        expect(turn > 0 || isFault(await asked, 'unavailable')).toBe(true);
      }
      expect(ids).not.toContain(first.id);
      const { acceptor, promised } = await first.answer('travel', { kind: 'read' });
      expect([acceptor, promised.counter]).toEqual([first.id, lose === 'promise' ? 5 : 0]);
      ids.push(first.id);
      await first[Symbol.asyncDispose]();
      for (const _ of [1, 2]) {
        // It happens again, while no process looks.
        w.store.loseEnd(TOPIC, 0, lose === 'promise' ? 3 : 1);
        const next = await w.start();
        expect(ids).not.toContain(next.id);
        expect((await w.start()).id).toBe(next.id);
        ids.push(next.id);
      }
      expect(w.fatal).toEqual([]);
    }
  });

  it('that begins with less than another site remembers is a new one, whether it is told before its first vote or later', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 8 }), fc.nat(12), fc.boolean(), async (votes, end, isLate) => {
        await using w = world();
        const first = await w.start();
        for (let counter = 1; counter <= votes; counter++)
          await first.answer('travel', { kind: 'prepare', ballot: { counter, site: 'paris', process: 'p' } });
        const id = first.id!;
        await first[Symbol.asyncDispose]();
        const stored = w.values().length;
        const told = { acceptor: id, end };
        const again = await w.start(new SimDisk(), isLate ? null : told);
        if (isLate) {
          expect(again.id).toBe(id);
          await again.answer('travel', { kind: 'prepare', ballot: { counter: 99, site: 'paris', process: 'p' } });
          again.remembered('tokyo', told, null);
          await w.clock.advance(20_000);
        }
        expect(again.id).toBe(end > stored ? `${id}~1` : id);
        expect(w.fatal).toEqual([]);
        // What it is from now on stands in the topic, and is not doubted again.
        await again[Symbol.asyncDispose]();
        expect((await w.start(new SimDisk(), told)).id).toBe(end > stored ? `${id}~1` : id);
      }),
      { numRuns: 30 },
    );
  });

  it('votes without the others once they were given their time', async () => {
    await using w = world();
    const acceptor = await w.start(new SimDisk(), { acceptor: 'somebody else', end: 99 });
    expect(acceptor.id).not.toBe(null);
    expect(acceptor.controlEnd).toEqual({ acceptor: acceptor.id, end: 2 });
  });
});
