/** A process is killed with −9 at any moment, again and again: what is found is the fold of exactly the positions it names. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { describe, expect, it } from 'vitest';
import { Partition } from '../partition.ts';
import { modelUpTo, randomWrites, TABLE } from './arbitraries.ts';
import { readAll, readParts } from './read-all.ts';

/** `STORE_KILLS=200 npx vitest run packages/store/testing/kills.test.ts` for many. */
const KILLS = Number(process.env.STORE_KILLS ?? 4);
const SEED = Number(process.env.SEED ?? 1);
const RECORDS = 400;
const WRITER = fileURLToPath(new URL('kill-writer.ts', import.meta.url));

/** Longest life after the first flush, in ms: a thread takes longer to start than a merge on the own one. */
const lifeMsMax = (seed: number): number => (seed % 2 === 1 ? 1_200 : 150);

/** Starts a writer and kills it so long after its first flush. @returns the last positions it called durable; done: it was too late */
async function writeUntilKilled(
  root: string,
  seed: number,
  afterMs: number,
): Promise<{ last: string; isDone: boolean }> {
  const child = spawn(process.execPath, [WRITER, root, String(seed), String(RECORDS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let said = '';
  const isWriting = new Promise<void>((resolve) => {
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString();
      resolve();
    });
  });
  await Promise.race([isWriting, ended]);
  await setTimeout(afterMs);
  child.kill('SIGKILL');
  await ended;
  const lines = said.split('\n').slice(0, -1);
  return { last: lines.findLast((line) => line.startsWith('{')) ?? '{}', isDone: lines.includes('done') };
}

describe('partition on a real disk', () => {
  it(
    'is whole however often its process is killed',
    async () => {
      const random = new SeededRandom(SEED);
      let kills = 0;
      for (let seed = SEED; kills < KILLS; seed++) {
        const root = mkdtempSync(join(tmpdir(), 'tidemark-kills-'));
        const writes = randomWrites(new SeededRandom(seed), RECORDS, 40, 400);
        try {
          for (let isDone = false; !isDone && kills < KILLS; ) {
            const killed = await writeUntilKilled(root, seed, integerBetween(random, 0, lifeMsMax(seed)));
            isDone = killed.isDone;
            if (!isDone) kills++;
            const disk = new NodeDisk(root);
            const partition = await Partition.open(disk, 'kills', { compaction: false });
            for (const [origin, seq] of Object.entries(JSON.parse(killed.last) as Record<string, number>)) {
              expect(partition.position(origin).seq).toBeGreaterThanOrEqual(seq);
            }
            const live = modelUpTo(writes, (origin) => partition.position(origin)).live(TABLE);
            expect(await readAll(partition)).toEqual(live);
            const { keys, rows } = await readParts(partition);
            expect(new Set(keys).size).toBe(keys.length);
            expect(rows).toEqual(live);
            expect(partition.openNotes).toEqual([]);
            await partition.close();
            await disk.close();
          }
        } finally {
          rmSync(root, { recursive: true, force: true });
        }
      }
    },
    60_000 + KILLS * 10_000,
  );
});
