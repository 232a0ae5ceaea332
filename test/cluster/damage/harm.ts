/** What is done to one file: a flipped bit, a cut, gone, an older copy. */

import { copyFile, open, readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { integerBetween, type Random } from '@tidemark/platform/random';

export const HARMS = ['flip', 'flip', 'flip', 'cut', 'gone', 'older'] as const;
export type Harm = (typeof HARMS)[number];

export async function filesIn(folder: string, path = ''): Promise<string[]> {
  const entries = await readdir(join(folder, path), { withFileTypes: true });
  const nested = entries.map((entry) => {
    const at = join(path, entry.name);
    return entry.isDirectory() ? filesIn(folder, at) : Promise.resolve([at]);
  });
  return (await Promise.all(nested)).flat();
}

/** @param before the folder's older copy @returns what was done, in words */
export async function harm(folder: string, before: string, path: string, how: Harm, random: Random): Promise<string> {
  const target = join(folder, path);
  const { size } = await stat(target);
  if (how === 'gone') await rm(target);
  if (how === 'cut') await cut(target, integerBetween(random, 0, Math.max(0, size - 1)));
  if (how === 'older') {
    // Of a file that there was not then, no copy is put back.
    await copyFile(join(before, path), target).catch(() => rm(target));
  }
  return how === 'flip' && size > 0 ? flip(target, random) : how;
}

/** By a copy in its place: other sites may have the file mapped, and a page that is gone under them ends them. */
async function cut(path: string, size: number): Promise<void> {
  await copyFile(path, `${path}.cut`);
  await truncate(`${path}.cut`, size);
  await rename(`${path}.cut`, path);
}

/** One bit of a file that is not empty. @returns which, in words */
export async function flip(path: string, random: Random): Promise<string> {
  const { size } = await stat(path);
  const file = await open(path, 'r+');
  const [at, bit] = [integerBetween(random, 0, size - 1), integerBetween(random, 0, 7)];
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = byte[0]! ^ (1 << bit);
  await file.write(byte, 0, 1, at);
  await file.sync();
  await file.close();
  return `flip of bit ${bit} at ${at} of ${size}`;
}
