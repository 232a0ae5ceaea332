/** The promises of the HeartbeatStore port, as a suite. Every implementation passes it: `describeHeartbeatStore('file', open)`. */

import { randomUUID } from 'node:crypto';
import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BEAT_BYTES_MAX, type Beat, type HeartbeatStore } from '../heartbeats/heartbeat-store.ts';

/** One site's heartbeat store, empty, and what can be done to it from outside. */
export interface HeartbeatStoreHarness extends AsyncDisposable {
  readonly board: HeartbeatStore;
  /** A second handle on the same heartbeat store, as another process has it. The suite disposes it. */
  another(): Promise<HeartbeatStore>;
  /** The heartbeat store loses everything it holds. */
  forget(): Promise<void>;
  /** Makes the heartbeat store unreachable until the result is disposed. */
  outage(): Promise<AsyncDisposable>;
}

const NO_ANSWER_WAIT_MS = 1_000;

export function describeHeartbeatStore(name: string, open: () => Promise<HeartbeatStoreHarness>): void {
  describe(`${name}: board contract`, () => {
    let harness: HeartbeatStoreHarness;
    let board: HeartbeatStore;
    beforeEach(async () => {
      harness = await open();
      board = harness.board;
    });
    afterEach(async () => {
      await board[Symbol.asyncDispose]();
      await harness[Symbol.asyncDispose]();
    });

    describeBeats(() => board);
    describeProcesses(() => harness);
    describeLosses(() => harness);
  });
}

function describeBeats(of: () => HeartbeatStore): void {
  it('an empty board shows nothing', async () => {
    expect(await of().beats()).toEqual([]);
  });

  it('shows a beat as it was written, facts and all', async () => {
    const beat = beatOf({ facts: { epoch: 3, heads: [1, 2], url: 'http://127.0.0.1:1', nested: { ü: null } } });
    await of().beat(beat);
    expect(await of().beats()).toEqual([beat]);
  });

  it('a process has one beat for each role, its newest', async () => {
    const process = randomUUID();
    for (const nonce of [1, 2, 3]) {
      await of().beat(beatOf({ process, role: 'writer', nonce }));
      await of().beat(beatOf({ process, role: 'mirror', nonce: nonce + 10 }));
    }
    expect((await of().beats()).map(({ role, nonce }) => [role, nonce])).toEqual([
      ['mirror', 13],
      ['writer', 3],
    ]);
  });

  it('whatever is written by whomever in whatever order, shows the last beat of each, by role and process', async () => {
    const someone = fc.record({ role: fc.constantFrom('a', 'b', 'B'), process: fc.constantFrom('1', '2', '10') });
    await fc.assert(
      fc.asyncProperty(fc.array(someone, { maxLength: 12 }), async (written) => {
        const last = new Map<string, Beat>((await of().beats()).map((beat) => [`${beat.role} ${beat.process}`, beat]));
        for (const [nonce, who] of written.entries()) {
          const beat = beatOf({ ...who, nonce });
          last.set(`${who.role} ${who.process}`, beat);
          await of().beat(beat);
        }
        const expected = [...last.keys()].sort().map((key) => last.get(key));
        expect(await of().beats()).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  it('beats begun together end with the last one begun', async () => {
    const process = randomUUID();
    await Promise.all([1, 2, 3, 4, 5].map((nonce) => of().beat(beatOf({ process, nonce }))));
    expect((await of().beats()).map(({ nonce }) => nonce)).toEqual([5]);
  });

  it('refuses a name it cannot hold, and facts beyond the limit, by name and both values', async () => {
    for (const role of ['', 'a/b', 'a:b', '..', 'a b', 'x'.repeat(65)])
      await expect(async () => of().beat(beatOf({ role }))).rejects.toThrow(`beat: role is ${JSON.stringify(role)}`);
    const facts = { text: 'x'.repeat(BEAT_BYTES_MAX) };
    await expect(async () => of().beat(beatOf({ facts }))).rejects.toThrow(/\d+ bytes, at most 65536/);
    expect(await of().beats()).toEqual([]);
  });
}

function describeProcesses(of: () => HeartbeatStoreHarness): void {
  it('what one handle writes another reads', async () => {
    await using other = await of().another();
    const [mine, theirs] = [beatOf({ role: 'applier' }), beatOf({ role: 'writer' })];
    await of().board.beat(mine);
    await other.beat(theirs);
    expect(await of().board.beats()).toEqual([mine, theirs]);
    expect(await other.beats()).toEqual([mine, theirs]);
  });

  it('readers beside busy writers see whole beats only, never an older one, and never miss one they saw before', async () => {
    await using other = await of().another();
    const writers = [of().board, other].map((board) => ({ board, process: randomUUID() }));
    const facts = { padding: 'x'.repeat(4_000) };
    let isWriting = true;
    const write = async ({ board, process }: (typeof writers)[number]): Promise<void> => {
      for (let nonce = 1; nonce <= 100; nonce++) await board.beat(beatOf({ process, nonce, facts }));
    };
    const read = async (board: HeartbeatStore): Promise<void> => {
      const seen = new Map<string, number>();
      while (isWriting) {
        const beats = await board.beats();
        expect(beats.length).toBeGreaterThanOrEqual(seen.size);
        for (const { process, nonce, facts: found } of beats) {
          expect(found).toEqual(facts);
          expect(nonce).toBeGreaterThanOrEqual(seen.get(process) ?? 0);
          seen.set(process, nonce);
        }
      }
    };
    const reading = Promise.all([read(of().board), read(other)]);
    await Promise.all(writers.map(write)).finally(() => {
      isWriting = false;
    });
    await reading;
    expect((await other.beats()).map(({ nonce }) => nonce)).toEqual([100, 100]);
  });
}

function describeLosses(of: () => HeartbeatStoreHarness): void {
  it('a board that forgot everything is empty, and takes the next beat', async () => {
    const beat = beatOf({});
    await of().board.beat(beat);
    await of().forget();
    expect(await of().board.beats()).toEqual([]);
    await of().board.beat(beat);
    expect(await of().board.beats()).toEqual([beat]);
  });

  it('out of reach it says unavailable, soon, and afterwards goes on by itself', async () => {
    const { board } = of();
    const outage = await of().outage();
    expect(isFault(await failureOf(board.beat(beatOf({}))), 'unavailable')).toBe(true);
    await outage[Symbol.asyncDispose]();
    await untilDone(() => board.beat(beatOf({ nonce: 7 })));
    expect((await board.beats()).map(({ nonce }) => nonce)).toContain(7);
  });
}

/** The error of a promise that has to fail within `NO_ANSWER_WAIT_MS`. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const late = new Promise((resolve) => setTimeout(resolve, NO_ANSWER_WAIT_MS, 'no answer at all'));
  return Promise.race([
    promise.then(
      () => 'success',
      (error: unknown) => error,
    ),
    late,
  ]);
}

async function untilDone(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isFault(error, 'unavailable')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function beatOf(fields: Partial<Beat>): Beat {
  return { site: 'paris', role: 'writer', process: randomUUID(), nonce: 1, timeMs: Date.now(), facts: {}, ...fields };
}
