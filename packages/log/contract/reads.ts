/** The part of the log contract about reading: where a reader begins, what it waits for, and when it ends. */

import { SystemClock } from '@tidemark/platform/system-clock';
import { expect, it } from 'vitest';
import type { Log, LogBatch } from '../log.ts';
import { bytes, firstBatch, never, readAll, texts, topic, until } from './values.ts';

export function describeRead(log: () => Log): void {
  it('reading from the offset append returned starts at that record', async () => {
    await log().ensureTopic(topic('t'));
    await log().append('t', 0, [{ value: bytes('a') }, { value: bytes('b') }]);
    const offset = await log().append('t', 0, [{ value: bytes('c') }, { value: bytes('d') }]);
    expect(texts(await readAll(log(), 't', 0, offset))).toEqual(['c', 'd']);
    expect(texts(await readAll(log(), 't', 0, offset + 1))).toEqual(['d']);
    expect(texts(await readAll(log(), 't', 0, offset + 2))).toEqual([]);
  });

  it('waits at the end, wakes for each new record, and ends when aborted', async () => {
    await log().ensureTopic(topic('t'));
    const abort = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of log().read({ topic: 't', partition: 0, from: 0, signal: abort.signal }))
        seen.push(...texts(batch.records));
    })();
    for (const text of ['a', 'b', 'c']) {
      await log().append('t', 0, [{ value: bytes(text) }]);
      await until(() => seen.at(-1) === text);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    abort.abort();
    await reading;
  });

  it('an aborted signal yields nothing', async () => {
    await log().ensureTopic(topic('t', { genesis: () => bytes('g') }));
    const batches: LogBatch[] = [];
    const options = { topic: 't', partition: 0, from: 0, signal: AbortSignal.abort() };
    for await (const batch of log().read(options)) batches.push(batch);
    expect(batches).toEqual([]);
  });

  it('a reader may stop in the middle, and another begins where it likes', async () => {
    await log().ensureTopic(topic('t'));
    for (const text of ['a', 'b', 'c']) await log().append('t', 0, [{ value: bytes(text) }]);
    const abort = new AbortController();
    const options = { topic: 't', partition: 0, from: 0, signal: abort.signal, batchBytesMax: 1 };
    for await (const batch of log().read(options)) {
      expect(texts(batch.records)).toEqual(['a']);
      break;
    }
    expect(texts(await readAll(log(), 't', 0, 1))).toEqual(['b', 'c']);
    abort.abort();
  });

  it('readers that wait at the end of a partition keep no other reader of it waiting', async () => {
    await log().ensureTopic(topic('t'));
    for (const text of ['a', 'b', 'c']) await log().append('t', 0, [{ value: bytes(text) }]);
    const abort = new AbortController();
    const waiting = Array.from({ length: 6 }, async () => {
      for await (const batch of log().read({ topic: 't', partition: 0, from: 3, signal: abort.signal })) void batch;
    });
    for (let i = 0; i < 10; i++) {
      expect(texts(await readAll(log(), 't', 0))).toEqual(['a', 'b', 'c']);
      // At another moment of the waiting ones' long requests each time.
      await new SystemClock().sleep(i * 23);
    }
    abort.abort();
    await Promise.all(waiting);
  });

  it('a batch holds at most batchBytesMax, but always one record', async () => {
    await log().ensureTopic(topic('t'));
    for (const size of [10, 10, 10, 100, 5, 5]) await log().append('t', 0, [{ value: new Uint8Array(size) }]);
    const sizes: number[][] = [];
    const options = { topic: 't', partition: 0, from: 0, signal: never(), untilEnd: true, batchBytesMax: 25 };
    for await (const batch of log().read(options)) sizes.push(batch.records.map((r) => r.value.length));
    expect(sizes.flat()).toEqual([10, 10, 10, 100, 5, 5]);
    for (const batch of sizes)
      expect(batch.length === 1 || batch.reduce((sum, size) => sum + size, 0) <= 25, `batch ${batch}`).toBe(true);
  });

  it('untilEnd stops at the end known when reading began', async () => {
    await log().ensureTopic(topic('t'));
    for (const text of ['a', 'b', 'c']) await log().append('t', 0, [{ value: bytes(text) }]);
    const seen: string[] = [];
    const options = { topic: 't', partition: 0, from: 0, signal: never(), untilEnd: true, batchBytesMax: 1 };
    for await (const batch of log().read(options)) {
      seen.push(...texts(batch.records));
      await log().append('t', 0, [{ value: bytes('later') }]);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('a batch names the end of the partition, so the lag is known', async () => {
    await log().ensureTopic(topic('t'));
    for (let i = 0; i < 5; i++) await log().append('t', 0, [{ value: bytes('x') }]);
    expect((await firstBatch(log(), 't', 0, 3))?.end).toBe(5);
    const one = await firstBatch(log(), 't', 0, 0, 1);
    expect(one?.records.map((r) => r.offset)).toEqual([0]);
    expect(one?.end).toBe(5);
  });

  it('many readers of many partitions each get their own records while they are written', async () => {
    await log().ensureTopic(topic('t', { partitions: 8 }));
    const abort = new AbortController();
    const seen = new Map<number, string[]>();
    const readers = Array.from({ length: 8 }, async (_, partition) => {
      const mine: string[] = [];
      seen.set(partition, mine);
      for await (const batch of log().read({ topic: 't', partition, from: 0, signal: abort.signal }))
        mine.push(...texts(batch.records));
    });
    const expected = (partition: number): string[] => Array.from({ length: 30 }, (_, i) => `${partition}:${i}`);
    await Promise.all(
      Array.from({ length: 8 }, async (_, partition) => {
        for (const text of expected(partition)) await log().append('t', partition, [{ value: bytes(text) }]);
      }),
    );
    await until(() => [...seen.values()].every((mine) => mine.length >= 30));
    for (const [partition, mine] of seen) expect(mine).toEqual(expected(partition));
    abort.abort();
    await Promise.all(readers);
  });
}
