/** What a reader has to follow of one write stays short, and is told in ARCHITECTURE.md file by file. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { countsOf, wayOfWrite } from './write-way.ts';

/** The calls from the HTTP request to the log's append, and the files they stand in. They only ever fall. */
const FRAMES_MAX = 10;
const FILES_MAX = 6;

it('a write comes to the log by few calls in few files, all of them named in ARCHITECTURE.md', async () => {
  const way = await wayOfWrite(null);
  expect(way.map(({ to }) => to)).toEqual(['line', 'log', 'bytes']);
  const { frames, files } = countsOf(way.filter(({ to }) => to !== 'bytes'));
  expect([frames <= FRAMES_MAX, files <= FILES_MAX], `${frames} calls in ${files} files`).toEqual([true, true]);
  const page = readFileSync('ARCHITECTURE.md', 'utf8').split('\n## ')[1]!;
  expect(page).toMatch(/^The way of a write/);
  const named = new Set(way.flatMap((stretch) => stretch.frames.map(({ file }) => file)));
  expect([...named].filter((file) => !page.includes(`\`${file}\``))).toEqual([]);
});
