import { describe, expect, it } from 'vitest';
import { Fault, isFault } from './fault.ts';
import { WorkerThreads } from './worker-threads.ts';

const SCRIPT = new URL('testing/answering-thread.ts', import.meta.url);

describe('worker threads', () => {
  it('answer every call, however many there are, and share memory', async () => {
    await using threads = new WorkerThreads(SCRIPT, 100, 2);
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const answers = await Promise.all([1, 2, 3, 4, 5].map((add) => threads.call({ what: 'add', add, shared })));
    expect(answers).toEqual([101, 102, 103, 104, 105]);
    expect(shared[0]).toBe(15);
  });

  it('throw what the answer throws: a fault as it is, anything else by its message', async () => {
    await using threads = new WorkerThreads(SCRIPT, null, 1);
    const fault: unknown = await threads.call({ what: 'fault' }).catch((error: unknown) => error);
    expect(fault).toEqual(new Fault('corrupt', 'block 7', { got: 1, expected: 2 }));
    expect((fault as Fault).details).toEqual({ got: 1, expected: 2 });
    const error: unknown = await threads.call({ what: 'error' }).catch((thrown: unknown) => thrown);
    expect(isFault(error)).toBe(false);
    expect(String(error)).toContain('EIO');
  });

  it('that end say that nothing is known of their call, and are replaced', async () => {
    await using threads = new WorkerThreads(SCRIPT, 7, 1);
    const calls = ['end', 'add', 'crash', 'add'].map((what) => {
      const shared = new Int32Array(new SharedArrayBuffer(4));
      return threads.call({ what, add: 1, shared }).catch((error: unknown) => isFault(error, 'unknown'));
    });
    expect(await Promise.all(calls)).toEqual([true, 8, true, 8]);
  });

  it('that cannot start say so', async () => {
    await using threads = new WorkerThreads(new URL('no-such-thread.ts', import.meta.url), 7, 1);
    await expect(threads.call({})).rejects.toThrow('no-such-thread.ts');
  });

  it('end when closed, also at work, and take no more calls', async () => {
    const threads = new WorkerThreads(SCRIPT, null, 1);
    const calls = [threads.call({ what: 'never' }), threads.call({ what: 'never' })];
    const ends = Promise.allSettled(calls);
    await threads[Symbol.asyncDispose]();
    for (const end of await ends) {
      expect(end.status === 'rejected' && isFault(end.reason, 'unavailable')).toBe(true);
    }
    await expect(threads.call({ what: 'never' })).rejects.toThrow('closed');
  });
});
