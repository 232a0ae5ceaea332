import { SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { expect, it } from 'vitest';
import { Jobs } from './jobs.ts';

/** After so much silence a client gives up (`packages/client/client.ts`). */
const IDLE_MS = 10_000;

it('a job that tells nothing for a while is never silent for as long as clients take for a site that is gone', async () => {
  const clock = new SimClock();
  await using jobs = new Jobs(clock, new SeededRandom(1));
  const id = jobs.start('wait', {}, async (_tell, signal) => {
    await clock.sleep(60_000, signal);
    return {};
  });
  const heardMs: number[] = [];
  const following = (async () => {
    for await (const facts of jobs.follow(id, new AbortController().signal)) {
      heardMs.push(clock.monotonicMs());
      if (facts.state !== 'running') break;
    }
  })();
  await clock.advance(61_000);
  await following;
  const pausesMs = heardMs.slice(1).map((ms, i) => ms - heardMs[i]!);
  expect(Math.max(...pausesMs)).toBeLessThan(IDLE_MS / 2);
  expect(heardMs.at(-1)).toBeGreaterThanOrEqual(60_000);
});
