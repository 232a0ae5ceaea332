import { SILENT } from '@tidemark/platform/logger';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { Flusher } from './flusher.ts';
import type { Stores } from './stores.ts';

const RULES = { memtableBytesMax: 1_000, flushEveryMs: 1_000 };

/** One partition that always has something to flush. */
function flusherOf(written: string[], memtableBytes = () => 1): Flusher {
  const stores = {
    keyspace: { name: 'ks', partitions: 1 },
    hasChanged: () => true,
    setChanged: () => {},
    memtableBytes,
    partitions: () => [{ flush: async () => void written.push('flush') }],
  };
  return new Flusher(
    {
      stores: stores as unknown as Stores,
      clock: new SimClock(),
      logger: SILENT,
      before: () => () => {},
      checkpoint: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        written.push('checkpoint');
      },
      onDamage: () => false,
      onFatal: (error) => written.push(`fatal: ${error}`),
    },
    RULES,
  );
}

const later = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('a flusher that has ended', () => {
  it('wrote what it had, and writes nothing more, also of what was asked for before', async () => {
    for (const turns of [0, 1, 2]) {
      const written: string[] = [];
      const flusher = flusherOf(written);
      flusher.saveSoon();
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      const ended = flusher[Symbol.asyncDispose]();
      flusher.saveSoon();
      const asked = [flusher.save(), flusher.flushAll()];
      await ended;
      const atEnd = [...written];
      expect(atEnd.slice(-2)).toEqual(['flush', 'checkpoint']);
      await Promise.all(asked);
      await later();
      expect(written).toEqual(atEnd);
    }
  });
});

it('room is asked for behind every record: what memtables hold is counted once for it', async () => {
  let counted = 0;
  const flusher = flusherOf([], () => ++counted);
  await flusher.room(new AbortController().signal);
  expect(counted).toBe(1);
});
