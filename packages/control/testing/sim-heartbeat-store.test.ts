import { isFault } from '@tidemark/platform/fault';
import { expect, it } from 'vitest';
import type { Beat } from '../heartbeats/heartbeat-store.ts';
import { describeHeartbeatStore } from './heartbeat-store-contract.ts';
import { SimHeartbeatStore, SimHeartbeats } from './sim-heartbeat-store.ts';

const BEAT: Beat = { site: 'paris', role: 'site', process: 'p', nonce: 1, timeMs: 0, facts: {} };

describeHeartbeatStore('sim', async () => {
  const store = new SimHeartbeats();
  return {
    board: new SimHeartbeatStore(store),
    another: async () => new SimHeartbeatStore(store),
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
  const store = new SimHeartbeats();
  const board = new SimHeartbeatStore(store);
  store.standStill();
  const refused = await board.beat(BEAT).catch((error: unknown) => error);
  expect(isFault(refused, 'unavailable')).toBe(true);
  store.goOn();
  expect(await board.beats()).toEqual([BEAT]);
});
