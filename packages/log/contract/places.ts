/** The part of the Log suite about offsets: the start, the end, and a moment in between. */

import { SystemClock } from '@tidemark/platform/system-clock';
import { expect, it } from 'vitest';
import type { Log } from '../log.ts';
import { bytes, readAll, texts, topic } from './values.ts';

const clock = new SystemClock();

/** Bounds, trim, and finding an offset by time. */
export function describePlaces(log: () => Log): void {
  it('trim moves the start, keeps the rest, and never goes back', async () => {
    await log().ensureTopic(topic('t'));
    for (const text of ['a', 'b', 'c', 'd']) await log().append('t', 0, [{ value: bytes(text) }]);
    await log().trim('t', 0, 2);
    expect(await log().bounds('t', 0)).toEqual({ start: 2, end: 4 });
    expect(texts(await readAll(log(), 't', 0, 2))).toEqual(['c', 'd']);
    await log().trim('t', 0, 1);
    expect(await log().bounds('t', 0)).toEqual({ start: 2, end: 4 });
    await log().trim('t', 0, 4);
    expect(await log().bounds('t', 0)).toEqual({ start: 4, end: 4 });
    expect(await log().append('t', 0, [{ value: bytes('e') }])).toBe(4);
    await expect(log().trim('t', 0, 9)).rejects.toMatchObject({ kind: 'invalid', details: { got: 9, expected: 5 } });
  });

  it('reading before the start is out of range, naming both offsets', async () => {
    await log().ensureTopic(topic('t'));
    for (const text of ['a', 'b', 'c']) await log().append('t', 0, [{ value: bytes(text) }]);
    await log().trim('t', 0, 2);
    const gone = { kind: 'outOfRange', details: { got: 1, expected: 2 } };
    await expect(readAll(log(), 't', 0, 1)).rejects.toMatchObject(gone);
  });

  it('reading beyond the end is corrupt, naming both offsets', async () => {
    await log().ensureTopic(topic('t'));
    await log().append('t', 0, [{ value: bytes('a') }]);
    const lost = { kind: 'corrupt', details: { got: 3, expected: 1 } };
    await expect(readAll(log(), 't', 0, 3)).rejects.toMatchObject(lost);
  });

  it('finds the first record taken at or after a time', async () => {
    await log().ensureTopic(topic('t'));
    for (const text of ['a', 'b', 'c']) {
      await log().append('t', 0, [{ value: bytes(text) }]);
      await clock.sleep(5);
    }
    const records = await readAll(log(), 't', 0);
    for (const { offset, timeMs } of records) expect(await log().offsetAtTime('t', 0, timeMs)).toBe(offset);
    expect(await log().offsetAtTime('t', 0, records[0]!.timeMs + 1)).toBe(1);
    expect(await log().offsetAtTime('t', 0, 0)).toBe(0);
    expect(await log().offsetAtTime('t', 0, records[2]!.timeMs + 1)).toBe(3);
  });
}
