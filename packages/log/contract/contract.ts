/** The promises of the Log port, as a suite. Every implementation passes it: `describeLog('sqlite', open)`. */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BATCH_RECORDS_MAX, type Log, RECORD_BYTES_MAX } from '../log.ts';
import { describeBroken, describeOutside } from './faults.ts';
import { describePlaces } from './places.ts';
import { describeRead } from './reads.ts';
import {
  type BreakableLogHarness,
  bytes,
  firstBatch,
  type LogHarness,
  patterned,
  readAll,
  texts,
  topic,
} from './values.ts';

const MIB = 1024 * 1024;

/** Runs the suite, and the part of it for which the engine is broken. */
export function describeBreakableLog(name: string, open: () => Promise<BreakableLogHarness>): void {
  describeLog(name, open);
  describe(`${name}: log contract, broken`, () => {
    let harness: BreakableLogHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(async () => {
      await harness.log[Symbol.asyncDispose]();
      await harness[Symbol.asyncDispose]();
    });
    describeBroken(() => harness);
  });
}

/** Runs the suite. `open` gives an empty log each time. */
export function describeLog(name: string, open: () => Promise<LogHarness>): void {
  describe(`${name}: log contract`, () => {
    let harness: LogHarness;
    let log: Log;
    beforeEach(async () => {
      harness = await open();
      log = harness.log;
    });
    afterEach(async () => {
      await log[Symbol.asyncDispose]();
      await harness[Symbol.asyncDispose]();
    });

    describeTopics(() => log);
    describeAppend(() => log);
    describeRead(() => log);
    describePlaces(() => log);
    describeOutside(() => harness);
  });
}

function describeTopics(log: () => Log): void {
  it('ensureTopic puts the genesis record first in every partition, and repeating it changes nothing', async () => {
    const asked: number[] = [];
    const genesis = (partition: number): Uint8Array => {
      asked.push(partition);
      return bytes(`genesis ${partition}`);
    };
    const spec = topic('t', { genesis });
    await log().ensureTopic(spec);
    await log().append('t', 1, [{ value: bytes('x') }]);
    await log().ensureTopic(spec);
    expect(asked.toSorted()).toEqual([0, 1, 2]);
    expect(texts(await readAll(log(), 't', 0))).toEqual(['genesis 0']);
    expect(texts(await readAll(log(), 't', 1))).toEqual(['genesis 1', 'x']);
    expect(await log().partitionCount('t')).toBe(3);
  });

  it('a partition that was emptied is not born again: no genesis record beyond offset 0', async () => {
    const spec = topic('t', { genesis: () => bytes('g') });
    await log().ensureTopic(spec);
    await log().append('t', 1, [{ value: bytes('x') }]);
    await log().trim('t', 0, 1);
    await log().trim('t', 1, 1);
    await log().ensureTopic(spec);
    expect(await log().bounds('t', 0)).toEqual({ start: 1, end: 1 });
    expect(await log().bounds('t', 1)).toEqual({ start: 1, end: 2 });
    expect(await log().append('t', 0, [{ value: bytes('y') }])).toBe(1);
  });

  it('a topic without genesis starts empty', async () => {
    await log().ensureTopic(topic('t'));
    expect(await log().bounds('t', 0)).toEqual({ start: 0, end: 0 });
    expect(await readAll(log(), 't', 0)).toEqual([]);
  });

  it('another partition count is refused naming both', async () => {
    await log().ensureTopic(topic('t'));
    const refusal = expect(log().ensureTopic(topic('t', { partitions: 5 }))).rejects;
    await refusal.toMatchObject({ kind: 'invalid', details: { got: 5, expected: 3 } });
    await expect(log().ensureTopic(topic('t', { partitions: 5 }))).rejects.toThrow(/3.*5|5.*3/);
  });

  it('lists its topics by name, and knows none it does not have', async () => {
    await log().ensureTopic(topic('b'));
    await log().ensureTopic(topic('a'));
    expect(await log().topics()).toEqual(['a', 'b']);
    expect(await log().partitionCount('c')).toBeNull();
    expect(await log().topicId('c')).toBeNull();
  });

  it('a topic or partition that is not there is not found', async () => {
    await log().ensureTopic(topic('t'));
    const missing = { kind: 'notFound' };
    await expect(log().append('nothing', 0, [{ value: bytes('x') }])).rejects.toMatchObject(missing);
    await expect(log().append('t', 3, [{ value: bytes('x') }])).rejects.toMatchObject(missing);
    await expect(log().bounds('nothing', 0)).rejects.toMatchObject(missing);
    await expect(log().bounds('t', 3)).rejects.toMatchObject(missing);
    await expect(readAll(log(), 'nothing', 0)).rejects.toMatchObject(missing);
    await expect(readAll(log(), 't', 3)).rejects.toMatchObject(missing);
  });
}

function describeAppend(log: () => Log): void {
  it('reads back the same bytes and headers, in order', async () => {
    await log().ensureTopic(topic('t'));
    const value = Uint8Array.from({ length: 256 }, (_, i) => i);
    const raw = Buffer.from([0xff, 0xfe]);
    const headers = { source: '17', ключ: 'значение', raw };
    await log().append('t', 0, [{ value, key: bytes('k'), headers }, { value: new Uint8Array(0) }]);
    const records = await readAll(log(), 't', 0);
    expect(records.map(({ key }) => key && Buffer.from(key).toString())).toEqual(['k', null]);
    expect(records.map((r) => [...r.value])).toEqual([[...value], []]);
    expect(records.map((r) => ({ ...r.headers }))).toEqual([headers, {}]);
  });

  it('a buffer used again after its append does not change what was stored', async () => {
    await log().ensureTopic(topic('t'));
    const value = Buffer.from('first');
    await log().append('t', 0, [{ value }]);
    value.fill('z');
    await log().append('t', 0, [{ value }]);
    expect(texts(await readAll(log(), 't', 0))).toEqual(['first', 'zzzzz']);
  });

  it('offsets are dense, append returns the first, and times never go back', async () => {
    await log().ensureTopic(topic('t', { genesis: () => bytes('g') }));
    expect(await log().append('t', 0, [{ value: bytes('a') }])).toBe(1);
    expect(await log().append('t', 0, [{ value: bytes('b') }, { value: bytes('c') }])).toBe(2);
    expect(await log().append('t', 0, [{ value: bytes('d') }])).toBe(4);
    const records = await readAll(log(), 't', 0);
    expect(records.map((r) => r.offset)).toEqual([0, 1, 2, 3, 4]);
    expect(records.map((r) => r.timeMs)).toEqual(records.map((r) => r.timeMs).toSorted((a, b) => a - b));
    expect(await log().bounds('t', 0)).toEqual({ start: 0, end: 5 });
  });

  it('does not mix topics or partitions appended to at the same time', async () => {
    await log().ensureTopic(topic('t'));
    await log().ensureTopic(topic('u'));
    const places = ['t', 'u'].flatMap((name) => [0, 1, 2].map((partition) => ({ name, partition })));
    await Promise.all(
      places.map(async ({ name, partition }) => {
        for (let i = 0; i < 20; i++)
          await log().append(name, partition, [{ value: bytes(`${name}${partition}:${i}`) }]);
      }),
    );
    for (const { name, partition } of places)
      expect(texts(await readAll(log(), name, partition))).toEqual(
        Array.from({ length: 20 }, (_, i) => `${name}${partition}:${i}`),
      );
  });

  it('takes a record of 3 MiB and one of exactly the limit, and refuses a larger one naming both sizes', async () => {
    await log().ensureTopic(topic('t'));
    for (const size of [3 * MIB, RECORD_BYTES_MAX]) {
      const value = patterned(size);
      const offset = await log().append('t', 0, [{ value }]);
      const [record] = await readAll(log(), 't', 0, offset);
      expect(Buffer.compare(record!.value, value)).toBe(0);
    }
    const refused = log().append('t', 0, [{ value: new Uint8Array(RECORD_BYTES_MAX + 1) }]);
    await expect(refused).rejects.toMatchObject({
      kind: 'tooLarge',
      message: expect.stringMatching(new RegExp(`${RECORD_BYTES_MAX + 1}.*${RECORD_BYTES_MAX}`)),
    });
    expect((await log().bounds('t', 0)).end).toBe(2);
  });

  it('takes in one append what one batch can hold', async () => {
    await log().ensureTopic(topic('t'));
    const value = new Uint8Array(RECORD_BYTES_MAX / BATCH_RECORDS_MAX);
    const entries = Array.from({ length: BATCH_RECORDS_MAX }, (_, i) => ({ value, headers: { offset: String(i) } }));
    expect(await log().append('t', 0, entries)).toBe(0);
    expect((await log().bounds('t', 0)).end).toBe(BATCH_RECORDS_MAX);
    expect(await firstBatch(log(), 't', 0)).toHaveProperty('records.length', BATCH_RECORDS_MAX);
  });

  it('appends to one partition that are asked for at once follow one another in that order', async () => {
    await log().ensureTopic(topic('t'));
    const sizes = Array.from({ length: 40 }, (_, i) => (i % 3) + 1);
    const appends = sizes.map((size, i) =>
      log().append(
        't',
        0,
        Array.from({ length: size }, (_, j) => ({ value: bytes(`${i}.${j}`) })),
      ),
    );
    const offsets = await Promise.all(appends);
    expect(offsets).toEqual(sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0)));
    const all = sizes.flatMap((size, i) => Array.from({ length: size }, (_, j) => `${i}.${j}`));
    expect(texts(await readAll(log(), 't', 0))).toEqual(all);
  });

  it('an append that is refused keeps those behind it from nothing', async () => {
    await log().ensureTopic(topic('t'));
    const refused = log().append('t', 9, [{ value: bytes('a') }]);
    const next = log().append('t', 9, [{ value: bytes('b') }]);
    await expect(refused).rejects.toMatchObject({ kind: 'notFound' });
    await expect(next).rejects.toMatchObject({ kind: 'notFound' });
    expect(await log().append('t', 0, [{ value: bytes('c') }])).toBe(0);
  });

  it('many appends of any size across partitions read back equal', async () => {
    const append = fc.record({
      partition: fc.nat({ max: 2 }),
      sizes: fc.array(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 70_000 })), { minLength: 1, maxLength: 6 }),
    });
    let round = 0;
    const property = fc.asyncProperty(fc.array(append, { maxLength: 25 }), async (appends) => {
      const name = `round-${round++}`;
      await log().ensureTopic(topic(name));
      const expected: Uint8Array[][] = [[], [], []];
      for (const { partition, sizes } of appends) {
        const values = sizes.map((size, i) => patterned(size, i));
        expect(
          await log().append(
            name,
            partition,
            values.map((value) => ({ value })),
          ),
        ).toBe(expected[partition]!.length);
        expected[partition]!.push(...values);
      }
      for (const [partition, values] of expected.entries()) {
        const got = await readAll(log(), name, partition, 0, 10_000);
        expect(Buffer.concat(got.map((r) => r.value)).equals(Buffer.concat(values))).toBe(true);
        expect(got.map((r) => r.value.length)).toEqual(values.map((v) => v.length));
        expect(got.map((r) => r.offset)).toEqual(values.map((_, i) => i));
      }
    });
    await fc.assert(property, { numRuns: 10 });
  });
}
