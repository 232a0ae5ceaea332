import { RowBatch } from '@tidemark/columnar/row-batch';
import type { Register } from '@tidemark/control/consensus/register';
import { initialValue } from '@tidemark/control/consensus/register-value';
import { ackOf, tableNamed } from '@tidemark/model/table';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { SystemClock } from '@tidemark/platform/system-clock';
import { describe, expect, it } from 'vitest';
import { Growth } from '../ingress/growth.ts';
import { addRow, slicesOf } from '../ingress/slicing.ts';
import { submit } from '../ingress/submit.ts';
import { setUpWriter } from '../testing/writer-harness.ts';
import { Lease } from './lease.ts';

const TRAVEL = travelKeyspace();

/** A lease on a clock that stands still until it is set, as for a process that is stopped. */
async function leased() {
  const at = { ms: 0 };
  const never = new Promise<void>(() => {});
  const sleep = (_: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => (signal === undefined ? never : signal.addEventListener('abort', () => resolve())));
  const clock = { nowMs: () => at.ms, monotonicMs: () => at.ms, sleep };
  const register = { lease: async () => ({ granted: true, reason: null }) } as Partial<Register> as Register;
  const elected = { value: initialValue(TRAVEL), epoch: 1, writerId: 'w' };
  const lease = new Lease({ clock, register, keyspace: 'travel', elected, onEnded: () => {} });
  await lease.start();
  return { lease, at };
}

describe('a lease', () => {
  it('is over at its very end, before anybody has looked', async () => {
    const { lease, at } = await leased();
    at.ms = 11_999;
    expect(lease.holds()).toBe(true);
    at.ms = 12_000;
    expect(lease.holds()).toBe(false);
    await lease[Symbol.asyncDispose]();
  });

  it('that is not needed any more hinders nothing; one that was given back lets nothing be acked', async () => {
    const [raised, ended] = [await leased(), await leased()];
    raised.lease.release();
    raised.at.ms = 60_000;
    expect(raised.lease.holds()).toBe(true);
    await ended.lease[Symbol.asyncDispose]();
    expect(ended.lease.holds()).toBe(false);
  });

  it('is looked at by the ack itself: one that comes too late says that it may be stored', async () => {
    const state = { holds: true };
    const { start, rowsIn } = await setUpWriter('local', { mayAck: () => state.holds });
    await using writer = await start();
    const growth = new Growth(writer);
    const into = new RowBatch();
    addRow(growth, 'flights', { origin: 'A', line: 1 }, into);
    const head = {
      table: tableNamed(writer.keyspace, 'flights'),
      schemaVersion: growth.keyspace.version,
      requestId: '',
    };
    const clock = new SystemClock();
    const options = { ack: ackOf(0), timeoutMs: 2_000, clock, site: 'paris', growth };
    const written = submit(writer, slicesOf(head, into, 4), options);
    // Stopped with the append under way, and again at work when its time is over.
    state.holds = false;
    await expect(written).rejects.toMatchObject({ kind: 'unknown' });
    await expect(writer.barrier()).rejects.toMatchObject({ kind: 'unknown' });
    expect(await rowsIn()).toBe(1);
  });
});
