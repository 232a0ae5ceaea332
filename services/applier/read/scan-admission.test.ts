import { isFault } from '@tidemark/platform/fault';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { ScanAdmission, type ScanPlace } from './scan-admission.ts';

const LIMITS = { runningMax: 2, waitingMax: 3, waitMsMax: 5_000, idleMs: 1_000, idleMsMax: 20_000, runMsMax: 60_000 };

function world() {
  const clock = new SimClock();
  const admission = new ScanAdmission(clock, LIMITS);
  const enter = (caller = new AbortController()) => {
    let place: ScanPlace | null = null;
    let refusal: unknown = null;
    const entered = admission.enter(caller.signal).then(
      (one) => {
        place = one;
      },
      (error: unknown) => {
        refusal = error;
      },
    );
    return { caller, entered, place: () => place as ScanPlace | null, refusal: () => refusal };
  };
  return { clock, admission, enter };
}

describe('admission of scans', () => {
  it('lets so many run and so many wait, and tells the others when to come back', async () => {
    const { clock, admission, enter } = world();
    const all = Array.from({ length: 9 }, () => enter());
    await clock.advance(0);
    expect(all.map((one) => (one.place() !== null ? 'runs' : one.refusal() === null ? 'waits' : 'refused'))).toEqual([
      ...['runs', 'runs'],
      ...['waits', 'waits', 'waits'],
      ...['refused', 'refused', 'refused', 'refused'],
    ]);
    const refusal = all.at(-1)!.refusal();
    expect(isFault(refusal, 'unavailable') && refusal.details.retryAfterMs).toBe(1_000);
    all[0]!.place()!.leave();
    all[0]!.place()!.leave();
    await all[2]!.entered;
    expect([admission.running, all[3]!.place()]).toEqual([2, null]);
    // One whose client is gone never gets the place.
    all[3]!.caller.abort();
    all[1]!.caller.abort();
    await all[4]!.entered;
    expect([all[3]!.place(), all[4]!.place() !== null]).toEqual([null, true]);
    await clock.advance(6_000);
  });

  it('ends those that nobody reads, sooner when others wait, and refuses who waited too long', async () => {
    const { clock, enter } = world();
    const [unread, busy] = [enter(), enter()];
    await clock.advance(0);
    unread.place()!.unreadSinceMs = clock.monotonicMs();
    await clock.advance(10_000);
    expect(unread.place()!.signal.aborted).toBe(false);
    const [next, late] = [enter(), enter()];
    await clock.advance(500);
    expect(unread.place()!.signal.aborted).toBe(true);
    expect((unread.place()!.signal.reason as Error).message).toContain('nothing of it was read');
    expect(next.place()).not.toBeNull();
    await clock.advance(10_000);
    expect(isFault(late.refusal(), 'unavailable')).toBe(true);
    expect(busy.place()!.signal.aborted).toBe(false);
    await clock.advance(60_000);
    expect(busy.place()!.signal.aborted).toBe(true);
    next.place()!.leave();
  });
});
