import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { AppendTurns } from './append-turns.ts';
import { SimLog, SimLogStore } from './sim/sim-log.ts';

describe('append turns', () => {
  it('lets appends to one partition follow one another in the order they were asked for', async () => {
    const store = new SimLogStore(new SystemClock());
    await using log = new AppendTurns(new SimLog(store, 'paris'));
    await log.ensureTopic({ name: 't', partitions: 1, genesis: null, flushed: true });
    const offsets = await Promise.all(
      Array.from({ length: 50 }, (_, i) => log.append('t', 0, [{ value: Uint8Array.of(i) }])),
    );
    expect(offsets).toEqual(offsets.map((_, i) => i));
  });
});
