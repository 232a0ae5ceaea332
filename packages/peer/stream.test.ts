import { isFault } from '@tidemark/platform/fault';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { STREAMS } from './routes.ts';
import { linesOf } from './stream.ts';

const { signal } = new AbortController();
const DURABLE = { site: 'tokyo', logId: 'x', positions: [[1, 4]] };

/** What was read of the lines, and what it ended with. */
async function read(lines: readonly string[], route: typeof STREAMS.durable | typeof STREAMS.beyond) {
  const network = {
    async *lines() {
      yield* lines;
    },
  };
  const got: unknown[] = [];
  try {
    for await (const one of linesOf<unknown>({ network, clock: new SimClock() }, 'http://tokyo/x', route, signal))
      got.push(one);
  } catch (error) {
    return { got, error };
  }
  return { got, error: null };
}

describe('lines of another site', () => {
  it('are read in the shape of their route, empty ones left out', async () => {
    const line = JSON.stringify(DURABLE);
    expect(await read([line, '', line], STREAMS.durable)).toEqual({ got: [DURABLE, DURABLE], error: null });
    const beyond = [{ value: 'aGk=' }, { done: true }];
    expect(
      await read(
        beyond.map((one) => JSON.stringify(one)),
        STREAMS.beyond,
      ),
    ).toEqual({ got: beyond, error: null });
  });

  it.each([
    '',
    'no json',
    'null',
    '7',
    '[]',
    '{}',
    '{"site":"tokyo"}',
    '{"site":"tokyo","logId":"x","positions":[7]}',
    '{"value":7}',
    '{"done":false}',
  ])('end with a fault that names the address at %s', async (wrong) => {
    for (const route of [STREAMS.durable, STREAMS.beyond]) {
      const { got, error } = await read([wrong, '{'], route);
      expect(got).toEqual([]);
      expect(isFault(error, 'corrupt') && error.message).toMatch(/^http:\/\/tokyo\/x answers in another shape/);
    }
  });

  it('are given up after so long without one as the route says', async () => {
    const clock = new SimClock();
    const network = {
      async *lines(_: string, over: AbortSignal) {
        yield JSON.stringify(DURABLE);
        await new Promise((_, reject) => over.addEventListener('abort', () => reject(over.reason)));
      },
    };
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const one of linesOf({ network, clock }, 'http://tokyo/x', STREAMS.durable, signal)) got.push(one);
    })().catch((error: unknown) => error);
    await clock.advance(STREAMS.durable.timeoutMs - 100);
    expect(got).toEqual([DURABLE]);
    await clock.advance(STREAMS.durable.timeoutMs);
    expect(await reading).toMatchObject({ kind: 'unknown', message: 'http://tokyo/x: silent for 5000 ms' });
  });
});
