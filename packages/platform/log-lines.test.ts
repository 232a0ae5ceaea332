import { describe, expect, it } from 'vitest';
import { LogLines } from './log-lines.ts';

describe('log lines', () => {
  it('that cannot be written are dropped, counted, and told of by the next one that can', () => {
    let text = '';
    let room = 15;
    const lines = new LogLines((bytes) => {
      if (room === 0) throw new Error('ENOSPC');
      const count = Math.min(room, bytes.length);
      text += Buffer.from(bytes.subarray(0, count)).toString();
      room -= count;
      return count;
    });
    for (const line of ['first line\n', 'second line\n', 'third line\n']) lines.write(line);
    expect([lines.dropped, text]).toEqual([2, 'first line\nseco']);
    room = 1_000;
    lines.write('fourth line\n');
    lines.write('fifth line\n');
    const after = text.split('\n');
    expect(after.slice(0, 2)).toEqual(['first line', 'seco']);
    expect(JSON.parse(after[2]!)).toMatchObject({ dropped: 2, reason: 'ENOSPC' });
    expect(after.slice(3)).toEqual(['fourth line', 'fifth line', '']);
    expect(lines.dropped).toBe(2);
  });
});
