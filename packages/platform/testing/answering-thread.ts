/** What the threads of `worker-threads.test.ts` run. */

import { Fault } from '../fault.ts';
import { answerCalls } from '../worker-threads.ts';

type Asked = { readonly what: string; readonly add: number; readonly shared: Int32Array };

answerCalls(async (message, setting) => {
  const { what, add, shared } = message as Asked;
  switch (what) {
    case 'add':
      Atomics.add(shared, 0, add);
      return (setting as number) + add;
    case 'fault':
      throw new Fault('corrupt', 'block 7', { got: 1, expected: 2 });
    case 'error':
      throw new Error('EIO: i/o error');
    case 'end':
      return process.exit(3);
    case 'crash':
      queueMicrotask(() => {
        throw new Error('crashed');
      });
      return new Promise(() => undefined);
    default:
      return new Promise(() => undefined);
  }
});
