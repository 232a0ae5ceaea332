/** `npm run packages -- [20 22 24]`: packs both packages, installs them, runs a program on each Node, and says the sizes. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryPackages } from './package-trial.ts';

const NODES = ['20', '22', '24'];

const asked = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'tidemark-packages-'));
try {
  const trial = await tryPackages({
    folder,
    nodes: asked.length > 0 ? asked : NODES,
    say: (what) => console.error(what),
  });
  for (const { name, bytes } of trial.tarballs) console.log(`${name}  ${(bytes / 1_000).toFixed(1)} kB`);
  for (const { node, output } of trial.printed) console.log(`\n${node}\n${output.trimEnd()}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
