import { expect, it } from 'vitest';
import { type Kept, keepRunning } from './keep-running.ts';

it('a site that ends is started again, ever more rarely, and ends no other', async () => {
  const stop = new AbortController();
  const notes: string[] = [];
  let nowMs = 0;
  const starts: number[] = [];
  const endFault = async (): Promise<Error> => new Error('exit 7');
  const sick = { name: 'paris', isRunning: false, endFault, start: () => Promise.reject(new Error('its log is away')) };
  const weak: Kept & { isRunning: boolean } = {
    name: 'tokyo',
    isRunning: false,
    endFault,
    start: async () => {
      starts.push(nowMs);
      weak.isRunning = starts.length === 3;
    },
  };
  const sleep = async (ms: number): Promise<void> => {
    nowMs += ms / 2;
    if (nowMs > 40_000) stop.abort();
    await new Promise((resolve) => setImmediate(resolve));
  };
  await keepRunning([sick, weak], { signal: stop.signal, note: (what) => notes.push(what), sleep, nowMs: () => nowMs });
  expect(starts.length).toBe(3);
  expect(starts[2]! - starts[1]!).toBeGreaterThan(starts[1]! - starts[0]!);
  expect(weak.isRunning).toBe(true);
  expect(notes.join('\n')).toMatch(/site paris has ended; the others go on.*exit 7/);
  expect(notes.join('\n')).toMatch(/site paris does not start: its log is away/);
  expect(notes.filter((note) => /tokyo runs again/.test(note)).length).toBe(3);
});
