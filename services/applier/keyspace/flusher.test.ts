import { SILENT } from '@tidemark/platform/logger';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { Flusher } from './flusher.ts';
import type { Stores } from './stores.ts';

const RULES = { flushEveryMs: 1_000 };

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
      memtables: new SharedMemory(1_000),
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

describe('memtables of several keyspaces', () => {
  /** One whose memtables hold what it is told, and nothing once they were flushed. */
  function keyspace(memtables: SharedMemory, clock: SimClock) {
    const held = { bytes: 0, flushes: 0 };
    const flush = async (): Promise<void> => {
      held.bytes = 0;
      held.flushes++;
    };
    const stores = {
      keyspace: { name: 'ks', partitions: 1 },
      hasChanged: () => held.bytes > 0,
      setChanged: () => {},
      memtableBytes: () => held.bytes,
      partitions: () => [{ flush }],
    };
    const parts = { memtables, clock, logger: SILENT, before: () => () => {}, checkpoint: async () => {} };
    const told = { onDamage: () => false, onFatal: () => {} };
    const flusher = new Flusher({ ...parts, ...told, stores: stores as unknown as Stores }, { flushEveryMs: 1e9 });
    return { held, flusher };
  }

  it("may be one keyspace's alone; once they are too many those with most are flushed, whoever asks for room", async () => {
    const clock = new SimClock();
    const memtables = new SharedMemory(1_000);
    const [large, small] = [keyspace(memtables, clock), keyspace(memtables, clock)];
    const stop = new AbortController();
    const running = [large, small].map(({ flusher }) => flusher.run(stop.signal));
    large.held.bytes = 900;
    await large.flusher.room(stop.signal);
    await later();
    expect(large.held.flushes).toBe(0);
    small.held.bytes = 300;
    await small.flusher.room(stop.signal);
    await later();
    expect([large.held, small.held]).toEqual([
      { bytes: 0, flushes: 1 },
      { bytes: 300, flushes: 0 },
    ]);
    stop.abort();
    await clock.advance(1_000);
    await Promise.all(running);
  });

  it('wait for room while all together hold twice their bound', async () => {
    const clock = new SimClock();
    const memtables = new SharedMemory(1_000);
    const [one, other] = [keyspace(memtables, clock), keyspace(memtables, clock)];
    one.held.bytes = 1_500;
    other.held.bytes = 500;
    let hasRoom = false;
    const waiting = other.flusher.room(new AbortController().signal).then(() => {
      hasRoom = true;
    });
    await later();
    expect(hasRoom).toBe(false);
    await one.flusher.flushAll();
    await waiting;
    expect(hasRoom).toBe(true);
  });
});
