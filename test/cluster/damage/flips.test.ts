import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@tidemark/platform/random';
import { expect, it } from 'vitest';
import { FlipTrials } from './flip-trials.ts';

/** Other ones in each run; many by `npm run damage -- --flips 10000`. */
const FLIPS = 10;

it('a site alone with one bit wrong serves the rows that were written, or says why not', async () => {
  const seed = randomInt(1_000_000);
  console.log(`to flip the same bits again: npm run damage -- --flips ${FLIPS} --seed ${seed}`);
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-flips-'));
  const said: string[] = [];
  const say = (line: string): number => said.push(line);
  const trials = new FlipTrials({ folder: join(folder, 'paris'), random: new SeededRandom(seed), kind: null, say });
  await trials.prepare();
  for (let number = 1; number <= FLIPS; number++) await trials.one(number);
  const ends = [...trials.table.values()].flatMap((counts) => [...counts.keys()]);
  expect(ends.filter((end) => end === 'WRONG' || end === 'SILENT').length, said.join('\n')).toBe(0);
  expect(ends).toContain('itself');
  await rm(folder, { recursive: true });
}, 180_000);
