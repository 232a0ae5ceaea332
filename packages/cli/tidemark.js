#!/usr/bin/env node
// The command as npm installs it: plain JavaScript, so that an old Node can say what is missing instead of failing
// on the first type annotation.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;

/** The Node that npm installed with the project, looked for in this folder and those above. */
function installedNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', '.bin', name);
    if (existsSync(found)) return found;
    if (folder === dirname(folder)) return null;
  }
}

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  // The mark of the other branch, and no setting of the sites that are started from here.
  delete process.env.TIDEMARK_SHIM;
  module.enableCompileCache();
  await import('./main.ts');
} else {
  const node = process.env.TIDEMARK_SHIM === undefined ? installedNode() : null;
  if (node === null) {
    console.error(`tidemark needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}, and npm installed none`);
    process.exit(2);
  }
  const self = fileURLToPath(import.meta.url);
  const env = { ...process.env, TIDEMARK_SHIM: process.version };
  const { status } = spawnSync(node, [self, ...process.argv.slice(2)], { stdio: 'inherit', env });
  process.exit(status ?? 1);
}
