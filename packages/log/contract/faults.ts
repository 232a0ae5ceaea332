/** The part of the Log suite in which something is done to the log from outside. */

import { within } from '@tidemark/platform/sync/deadline';
import { SystemClock } from '@tidemark/platform/system-clock';
import { expect, it } from 'vitest';
import type { Log, TopicSpec } from '../log.ts';
import {
  type BreakableLogHarness,
  bytes,
  eventually,
  type LogHarness,
  readAll,
  texts,
  topic,
  until,
} from './values.ts';

const clock = new SystemClock();

/** Other processes, and operators who delete topics. */
export function describeOutside(harness: () => LogHarness): void {
  it('another handle sees what is appended, while it waits and when it begins', async () => {
    const { log } = harness();
    await log.ensureTopic(topic('t'));
    await log.append('t', 0, [{ value: bytes('a') }]);
    await using other = await harness().another();
    expect(texts(await readAll(other, 't', 0))).toEqual(['a']);
    const abort = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of other.read({ topic: 't', partition: 0, from: 1, signal: abort.signal }))
        seen.push(...texts(batch.records));
    })();
    for (const text of ['b', 'c']) {
      await log.append('t', 0, [{ value: bytes(text) }]);
      await until(() => seen.at(-1) === text);
    }
    expect(seen).toEqual(['b', 'c']);
    expect(await other.bounds('t', 0)).toEqual({ start: 0, end: 3 });
    abort.abort();
    await reading;
  });

  it('a topic deleted under a waiting reader stops it within 5 s, naming the topic', async () => {
    const { log } = harness();
    await log.ensureTopic(topic('t', { genesis: () => bytes('g1') }));
    await using stopped = await stopsWithin5s(log, 1);
    await harness().deleteTopic('t');
    await expect(stopped.failure).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('t/0') });
  });

  it('a topic made again under a waiting reader stops it within 5 s, also when it has grown past its position', async () => {
    const { log } = harness();
    await log.ensureTopic(topic('t', { genesis: () => bytes('g1') }));
    await log.append('t', 0, [{ value: bytes('a') }]);
    await using stopped = await stopsWithin5s(log, 2);
    await harness().deleteTopic('t');
    await using other = await harness().another();
    await remake(other, topic('t', { genesis: () => bytes('g2') }));
    const entries = Array.from({ length: 50 }, (_, i) => ({ value: bytes(`new ${i}`) }));
    await other.append('t', 0, entries);
    await expect(stopped.failure).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('t/0') });
  });

  it('a topic made again has another identity, and a reader of the old one is told', async () => {
    const { log } = harness();
    await log.ensureTopic(topic('t'));
    const first = (await log.topicId('t'))!;
    await log.append('t', 0, [{ value: bytes('a') }]);
    const read = async (topicId: string): Promise<string[]> => {
      const found: string[] = [];
      const signal = new AbortController().signal;
      for await (const { records } of log.read({ topic: 't', partition: 0, from: 0, signal, topicId, untilEnd: true }))
        found.push(...texts(records));
      return found;
    };
    expect(await read(first)).toEqual(['a']);
    await harness().deleteTopic('t');
    await using other = await harness().another();
    await remake(other, topic('t'));
    await other.append('t', 0, [{ value: bytes('b') }]);
    const second = (await other.topicId('t'))!;
    expect(second).not.toBe(first);
    await expect(read(first)).rejects.toMatchObject({ kind: 'corrupt' });
    expect(await read(second)).toEqual(['b']);
  });

  it('an append to a topic made again is corrupt', async () => {
    const { log } = harness();
    await log.ensureTopic(topic('t', { genesis: () => bytes('g1') }));
    await log.append('t', 0, [{ value: bytes('a') }]);
    await harness().deleteTopic('t');
    await using other = await harness().another();
    await remake(other, topic('t', { genesis: () => bytes('g2') }));
    await expect(eventually(() => log.append('t', 0, [{ value: bytes('b') }]))).rejects.toMatchObject({
      kind: 'corrupt',
    });
  });
}

/** What needs an engine that can be broken. */
export function describeBroken(harness: () => BreakableLogHarness): void {
  it('a log that lost its end under a reader is corrupt', async () => {
    const { log } = harness();
    await log.ensureTopic(topic('t'));
    for (const text of ['a', 'b', 'c']) await log.append('t', 0, [{ value: bytes(text) }]);
    await using stopped = await stopsWithin5s(log, 3);
    await harness().loseEnd('t', 0, 2);
    await expect(stopped.failure).rejects.toMatchObject({ kind: 'corrupt', details: { got: 3, expected: 2 } });
  });

  it('out of reach it is unavailable, and a reader goes on afterwards without loss or repeat', async () => {
    const { log } = harness();
    await log.ensureTopic(topic('t'));
    await using other = await harness().another();
    const abort = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of other.read({ topic: 't', partition: 0, from: 0, signal: abort.signal }))
        seen.push(...texts(batch.records));
    })();
    await log.append('t', 0, [{ value: bytes('a') }]);
    await until(() => seen.length === 1);
    {
      await using _out = await harness().outage();
      await expect(log.append('t', 0, [{ value: bytes('lost') }])).rejects.toMatchObject({ kind: 'unavailable' });
      await expect(other.bounds('t', 0)).rejects.toMatchObject({ kind: 'unavailable' });
    }
    await log.append('t', 0, [{ value: bytes('b') }]);
    await until(() => seen.length >= 2);
    expect(seen).toEqual(['a', 'b']);
    abort.abort();
    await reading;
  });
}

/** A reader of t/0 waiting at `from`, whose end is a failure; a reader that is still there after 5 s ends without one. */
async function stopsWithin5s(log: Log, from: number): Promise<AsyncDisposable & { readonly failure: Promise<void> }> {
  const abort = new AbortController();
  const failure = (async () => {
    for await (const batch of log.read({ topic: 't', partition: 0, from, signal: abort.signal }))
      throw new Error(`a batch at ${batch.records[0]!.offset} instead of a fault`);
  })();
  failure.catch(() => {});
  await within(clock, 300, failure);
  void clock.sleep(5_000, abort.signal).then(() => abort.abort());
  return {
    failure,
    [Symbol.asyncDispose]: async () => {
      abort.abort();
      await failure.catch(() => {});
    },
  };
}

/** A deletion may take the engine a moment, during which the name is still taken. */
async function remake(log: Log, spec: TopicSpec): Promise<void> {
  await eventually(() => log.ensureTopic(spec));
}
