/** `node packages/dev/pack/main.ts client|tidemark`: what `npm pack` runs first in a folder of `publish/`. */

import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildClient, buildTidemark } from './build.ts';
import { ROOT } from './emit.ts';

const BUILDS: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
  client: buildClient,
  tidemark: buildTidemark,
};

const name = process.argv[2] ?? '';
const build = Object.hasOwn(BUILDS, name) ? BUILDS[name] : undefined;
if (build === undefined) {
  console.error(`usage: node packages/dev/pack/main.ts ${Object.keys(BUILDS).join('|')}`);
  process.exit(2);
}
await build(join(ROOT, 'publish', name, 'lib'));
await copyFile(join(ROOT, 'LICENSE'), join(ROOT, 'publish', name, 'LICENSE'));
