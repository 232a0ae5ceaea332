import { setImmediate } from 'node:timers/promises';
import { SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { FirstRows } from '../query/order.ts';
import { ASIDE_MAX, nextTurn, standAside, Turn } from './turn.ts';

/** Turns of the event loop, counted beside what is tried. */
class Loop {
  turns = 0;
  #isOver = false;

  async run(): Promise<void> {
    while (!this.#isOver) {
      await setImmediate();
      this.turns++;
    }
  }

  stop(): void {
    this.#isOver = true;
  }
}

describe('turns', () => {
  it('let one of all that wait go on in each turn of the loop', async () => {
    const loop = new Loop();
    const running = loop.run();
    const seen: number[] = [];
    const worker = async (): Promise<void> => {
      for (let slice = 0; slice < 5; slice++) {
        await nextTurn();
        seen.push(loop.turns);
      }
    };
    await Promise.all(Array.from({ length: 20 }, worker));
    loop.stop();
    await running;
    expect(seen).toHaveLength(100);
    // Never two slices of anybody between two looks of others at what came in.
    expect(new Set(seen).size).toBeGreaterThanOrEqual(99);
  });

  it('are not taken while others come in, and are taken all the same after a while', async () => {
    const loop = new Loop();
    const running = loop.run();
    await nextTurn();
    // Five come, one each time round.
    let came = 0;
    const come = async (): Promise<void> => {
      for (; came < 5; came++) {
        standAside();
        await setImmediate();
      }
    };
    await Promise.all([come(), nextTurn().then(() => expect(came).toBe(5))]);
    // They come without end.
    let isOver = false;
    const comeOn = async (): Promise<void> => {
      while (!isOver) {
        standAside();
        await setImmediate();
      }
    };
    const coming = comeOn();
    const before = loop.turns;
    await nextTurn();
    const stood = loop.turns - before;
    isOver = true;
    await coming;
    loop.stop();
    await running;
    expect(stood).toBeGreaterThanOrEqual(ASIDE_MAX - 2);
    expect(stood).toBeLessThanOrEqual(ASIDE_MAX + 2);
  });

  it('come after so much work, not after every row', async () => {
    const turn = new Turn();
    let waits = 0;
    for (let row = 0; row < 65_536 * 3; row += 1_024) {
      const pause = turn.pass(1_024);
      if (pause !== undefined) waits++;
      await pause;
    }
    expect(waits).toBe(3);
  });

  it('leave an order as one sort makes it, equal ones as they came', async () => {
    const random = new SeededRandom(7);
    const rows = Array.from({ length: 30_000 }, (_, row) => ({
      keys: [Math.floor(random.fraction() * 900)],
      row,
    }));
    const wanted = rows.toSorted((a, b) => b.keys[0]! - a.keys[0]! || a.row - b.row).map(({ row }) => row);
    for (const limit of [null, 12_000, 10]) {
      const first = new FirstRows<number>([true], limit);
      for (const [i, row] of rows.entries()) {
        if (first.admits(row.keys)) first.add(row.keys, row.row, 1);
        if (i % 1_000 === 0) await first.settle();
      }
      expect(await first.take()).toEqual(wanted.slice(0, limit ?? rows.length));
    }
  });
});
