import { SILENT } from '@tidemark/platform/logger';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { FRESH_VOTE_MS, Testimony } from './testimony.ts';

/** How long an acceptor whose topic ends at 9 waits, ms, and how many alarms it gives. */
async function waited({
  sites = 3,
  told = [] as readonly { by: string; end: number; gapMs: number | null }[],
  isNew = false,
}) {
  const clock = new SimClock();
  const alarms: object[] = [];
  const logger = { ...SILENT, error: (fields: object) => alarms.push(fields) };
  const heard = new Set(told.map(({ by }) => by));
  const testimony = new Testimony({ site: 'paris', sites, toldBy: () => heard.size, clock, logger });
  for (const { by, end, gapMs } of told) testimony.hear(by, { acceptor: 'a', end }, gapMs);
  let forMs: number | null = null;
  void testimony.wait(isNew ? null : 'a', 9, new AbortController().signal).then(() => {
    forMs = clock.monotonicMs();
  });
  for (let step = 0; forMs === null && step < 1_000; step++) await clock.advance(50);
  return { forMs, alarms: alarms.length };
}

describe('an acceptor that begins again', () => {
  const fresh = { end: 9, gapMs: FRESH_VOTE_MS };
  const old = { end: 9, gapMs: FRESH_VOTE_MS + 1 };

  it('votes at once when all others have told, whatever they remember', async () => {
    const told = [
      { by: 'tokyo', ...old },
      { by: 'quito', ...old },
    ];
    expect(await waited({ told })).toEqual({ forMs: 0, alarms: 0 });
    expect(await waited({ sites: 1 })).toEqual({ forMs: 0, alarms: 0 });
  });

  it('gives the others their time where one vouches for it, or so many have told that every majority has one of them', async () => {
    const few = { forMs: 1_500, alarms: 0 };
    expect(await waited({ told: [{ by: 'tokyo', ...fresh }] })).toEqual(few);
    const three = ['tokyo', 'quito', 'lima'].map((by) => ({ by, ...old }));
    expect(await waited({ sites: 5, told: three })).toEqual(few);
    expect(await waited({ isNew: true })).toEqual(few);
  });

  it('waits for who may know of a vote that is gone, but not for ever, and says so', async () => {
    const long = { forMs: 20_000, alarms: 1 };
    expect(await waited({})).toEqual(long);
    expect(await waited({ told: [{ by: 'tokyo', ...old }] })).toEqual(long);
    // Who remembers more vouches for nothing.
    expect(await waited({ told: [{ by: 'tokyo', end: 10, gapMs: 0 }] })).toEqual(long);
    const two = ['tokyo', 'quito'].map((by) => ({ by, ...old }));
    expect(await waited({ sites: 5, told: two })).toEqual(long);
  });
});
