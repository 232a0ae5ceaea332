/** For tests: how often others had their turn while something ran. */

import { setImmediate } from 'node:timers/promises';

/** @returns what it gave, and the turns of the event loop that passed meanwhile */
export async function countTurns<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly turns: number }> {
  let [turns, isOver] = [0, false];
  const counting = (async () => {
    while (!isOver) {
      await setImmediate();
      turns++;
    }
  })();
  try {
    return { result: await work(), turns };
  } finally {
    isOver = true;
    await counting;
  }
}
