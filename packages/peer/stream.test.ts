import { isFault } from '@tidemark/platform/fault';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { STREAMS } from './routes.ts';
import { linesOf, SAID_EVERY_MS, saidAlong } from './stream.ts';

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

  it.each(['durable', 'beyond'] as const)(
    'are given up after so long without one as the route of %s says',
    async (name) => {
      const route: typeof STREAMS.durable | typeof STREAMS.beyond = STREAMS[name];
      const line = name === 'durable' ? DURABLE : { value: 'aGk=' };
      const clock = new SimClock();
      const network = {
        async *lines(_: string, over: AbortSignal) {
          yield JSON.stringify(line);
          await new Promise((_, reject) => over.addEventListener('abort', () => reject(over.reason)));
        },
      };
      const got: unknown[] = [];
      const reading = (async () => {
        for await (const one of linesOf<unknown>({ network, clock }, 'http://tokyo/x', route, signal)) got.push(one);
      })().catch((error: unknown) => error);
      await clock.advance(route.timeoutMs - 100);
      expect(got).toEqual([line]);
      await clock.advance(route.timeoutMs);
      expect(await reading).toMatchObject({ kind: 'unknown', message: 'http://tokyo/x: silent for 5000 ms' });
    },
  );

  it('wait for whoever takes them, however long that takes', async () => {
    const clock = new SimClock();
    const network = {
      async *lines(_: string, over: AbortSignal) {
        yield JSON.stringify(DURABLE);
        over.throwIfAborted();
        yield JSON.stringify(DURABLE);
      },
    };
    const got: unknown[] = [];
    for await (const one of linesOf<unknown>({ network, clock }, 'http://tokyo/x', STREAMS.durable, signal)) {
      got.push(one);
      await clock.advance(3 * STREAMS.durable.timeoutMs);
    }
    expect(got).toEqual([DURABLE, DURABLE]);
  });

  it('have empty ones between them for as long as the next one is looked for', async () => {
    const clock = new SimClock();
    async function* slow(): AsyncGenerator<string> {
      yield 'a';
      await clock.sleep(3.5 * SAID_EVERY_MS, signal);
      yield 'b';
    }
    const said: string[] = [];
    const saying = (async () => {
      for await (const line of saidAlong(clock, slow(), signal)) said.push(line);
    })();
    await clock.advance(10 * SAID_EVERY_MS);
    await saying;
    expect(said).toEqual(['a', '\n', '\n', '\n', 'b']);
  });
});
