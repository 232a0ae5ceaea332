import { isFault } from '@tidemark/platform/fault';
import { expect, it } from 'vitest';
import type { Beat } from '../heartbeats/board.ts';
import { describeBoard } from './board-contract.ts';
import { SimBoard, SimBoardStore } from './sim-board.ts';

const BEAT: Beat = { site: 'paris', role: 'site', process: 'p', nonce: 1, timeMs: 0, facts: {} };

describeBoard('sim', async () => {
  const store = new SimBoardStore();
  return {
    board: new SimBoard(store),
    another: async () => new SimBoard(store),
    forget: async () => store.forget(),
    outage: async () => {
      store.reachable = false;
      return {
        [Symbol.asyncDispose]: async () => {
          store.reachable = true;
        },
      };
    },
    [Symbol.asyncDispose]: async () => {},
  };
});

it('a board that stood still executes what arrived meanwhile, though nobody heard an answer', async () => {
  const store = new SimBoardStore();
  const board = new SimBoard(store);
  store.standStill();
  const refused = await board.beat(BEAT).catch((error: unknown) => error);
  expect(isFault(refused, 'unavailable')).toBe(true);
  store.goOn();
  expect(await board.beats()).toEqual([BEAT]);
});
