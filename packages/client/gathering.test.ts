/** Single calls travel together, and none can tell: each has its own outcome, and calls of one row keep their order. */

import { Fault } from '@tidemark/platform/fault';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Call, Gathering } from './gathering.ts';

type Sent = {
  readonly texts: readonly string[];
  readonly givenUp: AbortSignal;
  readonly answer: (outcomes?: readonly (string | Fault)[]) => Promise<void>;
  readonly fail: (error: Fault) => Promise<void>;
};

const TIMEOUT_MS = 1_000;
const CALLS_MAX = 100;

function world() {
  const clock = new SimClock();
  const gathering = new Gathering<string>({ clock, timeoutMs: TIMEOUT_MS, callsMax: CALLS_MAX });
  const sent: Sent[] = [];
  const send: Call<string>['send'] = (texts, givenUp) =>
    new Promise((resolve, reject) => {
      sent.push({
        texts,
        givenUp,
        answer: (outcomes = texts.map((text) => `${text} done`)) => {
          resolve(outcomes);
          return clock.advance(0);
        },
        fail: (error) => {
          reject(error);
          return clock.advance(0);
        },
      });
    });
  const ask = (text: string, call: Partial<Call<string>> = {}): Promise<unknown> =>
    gathering
      .ask({ group: 'g', text, row: text, isAlone: false, signal: undefined, send, ...call })
      .catch((error: unknown) => error);
  return { clock, gathering, sent, ask, texts: () => sent.map((one) => one.texts) };
}

describe('single calls', () => {
  test('made while nothing is under way go at once, in one request when made in one turn', async () => {
    const { clock, sent, ask, texts } = world();
    const asked = [ask('a'), ask('b'), ask('c')];
    await clock.advance(0);
    expect(texts()).toEqual([['a', 'b', 'c']]);
    await sent[0]!.answer();
    expect(await Promise.all(asked)).toEqual(['a done', 'b done', 'c done']);
  });

  test('made as others are answered go together again, however many go on', async () => {
    const { clock, sent, ask, texts } = world();
    const lane = async (name: string): Promise<void> => {
      await ask(`${name}1`);
      await (async () => ask(`${name}2`))();
    };
    const lanes = [lane('a'), lane('b'), lane('c')];
    await clock.advance(0);
    await sent[0]!.answer();
    expect(texts()).toEqual([
      ['a1', 'b1', 'c1'],
      ['a2', 'b2', 'c2'],
    ]);
    await sent[1]!.answer();
    await Promise.all(lanes);
  });

  test('made while a request is under way gather until it is answered', async () => {
    const { clock, sent, ask, texts } = world();
    void ask('a');
    await clock.advance(0);
    void ask('b');
    await clock.advance(0);
    void ask('c');
    await clock.advance(0);
    expect(texts()).toEqual([['a']]);
    await sent[0]!.answer();
    expect(texts()).toEqual([['a'], ['b', 'c']]);
  });

  test('gather for a millisecond at most, however long the request before them takes', async () => {
    const { clock, ask, texts } = world();
    void ask('a');
    await clock.advance(0);
    void ask('b');
    void ask('c');
    await clock.advance(1);
    void ask('d');
    await clock.advance(1);
    expect(texts()).toEqual([['a'], ['b', 'c'], ['d']]);
  });

  test('fill a request with so many of them or a mebibyte, and wait for no more', async () => {
    const { clock, ask, sent } = world();
    for (let n = 0; n < CALLS_MAX + 1; n++) void ask(`${n}`);
    const wide = 'x'.repeat(600_000);
    for (const n of [1, 2, 3]) void ask(`${n}${wide}`, { group: 'wide' });
    await clock.advance(0);
    await clock.advance(1);
    expect(sent.map(({ texts }) => texts.length).toSorted((a, b) => a - b)).toEqual([1, 1, 1, 1, CALLS_MAX]);
  });

  test('of other groups never travel together, and one that is to be alone with none', async () => {
    const { clock, ask, texts } = world();
    void ask('a', { group: 'sync' });
    void ask('b', { group: 'local' });
    void ask('c', { isAlone: true });
    void ask('d');
    void ask('e', { group: 'sync' });
    await clock.advance(1);
    expect(texts().toSorted()).toEqual([['a', 'e'], ['b'], ['c'], ['d']]);
  });

  test('of one row are carried out in the order they were made, whatever they travel with', async () => {
    const call = fc.record({
      row: fc.constantFrom('r', 's', null),
      group: fc.constantFrom('sync', 'local'),
      isAlone: fc.constantFrom(false, false, false, true),
      /** What happens next: milliseconds that pass, and which of the requests under way is answered, if any. */
      passMs: fc.constantFrom(0, 0, 0, 1, 2),
      answered: fc.option(fc.nat(), { freq: 1 }),
      isRefused: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
        const { clock, sent, ask } = world();
        const done = new Set<Sent>();
        const carriedOut = new Map<string, number[]>();
        const rowOf = (text: string): string => text.split(':')[0]!;
        const answer = async (one: Sent, isRefused: boolean): Promise<void> => {
          done.add(one);
          // As a site does: a request of several is refused without a word on which of them was wrong.
          if (isRefused && one.texts.length > 1) return one.fail(new Fault('invalid', 'one of them is wrong'));
          for (const text of one.texts)
            carriedOut.set(rowOf(text), [...(carriedOut.get(rowOf(text)) ?? []), Number(text.split(':')[1])]);
          await one.answer();
        };
        const underWay = (): Sent[] => sent.filter((one) => !done.has(one));
        const outcomes: Promise<unknown>[] = [];
        for (const [n, { row, group, isAlone, passMs, answered, isRefused }] of calls.entries()) {
          outcomes.push(ask(`${row}:${n}`, { row, group, isAlone }));
          if (passMs > 0) await clock.advance(passMs);
          const open = underWay();
          for (const name of ['r', 's']) {
            const changing = open.filter(({ texts }) => texts.some((text) => rowOf(text) === name));
            expect(changing.length).toBeLessThanOrEqual(1);
          }
          if (answered !== null && open.length > 0) await answer(open[answered % open.length]!, isRefused);
        }
        for (await clock.advance(1); underWay().length > 0; await clock.advance(1)) await answer(underWay()[0]!, false);
        expect(await Promise.all(outcomes)).toEqual(calls.map(({ row }, n) => `${row}:${n} done`));
        for (const name of ['r', 's']) {
          const made = calls.flatMap(({ row }, n) => (row === name ? [n] : []));
          expect(carriedOut.get(name) ?? []).toEqual(made);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('of which one is refused by itself: its neighbours know nothing of it', async () => {
    const { clock, sent, ask } = world();
    const asked = [ask('a'), ask('b'), ask('c')];
    await clock.advance(0);
    const refusal = new Fault('invalid', 'column delay: "x", expected int', { column: 'delay' });
    await sent[0]!.answer(['a done', refusal, 'c done']);
    expect(await Promise.all(asked)).toEqual(['a done', refusal, 'c done']);
  });

  test('that were refused together go again, each by itself; those of failed requests do not', async () => {
    const { clock, sent, ask, texts } = world();
    const refused = [ask('a'), ask('b')];
    await clock.advance(0);
    await sent[0]!.fail(new Fault('invalid', 'one of them'));
    expect(texts().slice(1)).toEqual([['a'], ['b']]);
    const own = new Fault('invalid', 'b is wrong');
    await sent[1]!.answer();
    await sent[2]!.fail(own);
    expect(await Promise.all(refused)).toEqual(['a done', own]);

    for (const kind of ['unavailable', 'unknown', 'corrupt', 'keyForgotten'] as const) {
      const failed = [ask(`${kind} 1`), ask(`${kind} 2`)];
      await clock.advance(0);
      const before = sent.length;
      const fault = new Fault(kind, 'given up');
      await sent.at(-1)!.fail(fault);
      expect(await Promise.all(failed)).toEqual([fault, fault]);
      expect(sent).toHaveLength(before);
    }
  });

  test('that change nothing go again, each by itself, when the answer to all breaks off', async () => {
    const { clock, sent, ask, texts } = world();
    const asked = [ask('a', { row: null }), ask('b', { row: null })];
    await clock.advance(0);
    await sent[0]!.fail(new Fault('unknown', 'the connection broke'));
    expect(texts().slice(1)).toEqual([['a'], ['b']]);
    await Promise.all(sent.slice(1).map((one) => one.answer()));
    expect(await Promise.all(asked)).toEqual(['a done', 'b done']);
  });

  test('given up before they are sent are not sent, and later may be stored; neighbours go on', async () => {
    const { clock, sent, ask, texts } = world();
    const [early, late, never] = [new AbortController(), new AbortController(), AbortSignal.abort()];
    const first = [ask('a', { signal: late.signal }), ask('b')];
    await clock.advance(0);
    const second = [ask('c', { signal: early.signal }), ask('d'), ask('e', { signal: never })];
    early.abort();
    late.abort();
    await sent[0]!.answer();
    expect(await Promise.all(first)).toMatchObject([{ kind: 'unknown' }, 'b done']);
    expect(sent[0]!.givenUp.aborted).toBe(false);
    await sent[1]!.answer();
    expect(await Promise.all(second)).toMatchObject([{ kind: 'unavailable' }, 'd done', { kind: 'unavailable' }]);
    expect(texts()).toEqual([['a', 'b'], ['d']]);
  });

  test('of a request that nobody waits for any more end it', async () => {
    const { clock, sent, ask } = world();
    const stop = new AbortController();
    void ask('a', { signal: stop.signal });
    void ask('b', { signal: stop.signal });
    await clock.advance(0);
    stop.abort();
    expect(sent[0]!.givenUp.aborted).toBe(true);
  });

  test('that wait for an earlier one of their row have no more time than others', async () => {
    const { clock, sent, ask, texts } = world();
    void ask('a', { row: 'r' });
    await clock.advance(0);
    const second = ask('b', { row: 'r' });
    await clock.advance(TIMEOUT_MS);
    expect(await second).toMatchObject({ kind: 'unavailable' });
    await sent[0]!.answer();
    expect(texts()).toEqual([['a']]);
    await clock.advance(0);
    expect(clock.nextWakeMs()).toBeNull();
  });

  test('that were not sent when the connection is closed are not stored', async () => {
    const { clock, gathering, sent, ask, texts } = world();
    void ask('a', { row: 'r' });
    await clock.advance(0);
    const waiting = [ask('b', { row: 'r' }), ask('c'), ask('d', { group: 'other' })];
    gathering.close();
    expect(await Promise.all(waiting)).toMatchObject(waiting.map(() => ({ kind: 'unavailable' })));
    await sent[0]!.answer();
    await clock.advance(10);
    expect(texts()).toEqual([['a']]);
  });
});
