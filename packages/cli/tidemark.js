#!/usr/bin/env node
// The command as npm installs it: plain JavaScript, so that an old Node can say what is missing instead of failing
// on the first type annotation.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/** The Node that npm installed with the project, looked for in this folder and those above. */
function installedNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', '.bin', name);
    if (existsSync(found)) return found;
    if (folder === dirname(folder)) return null;
  }
}

/** Whether this lies in a clone into which nothing was installed: neither the packages nor a Node. */
function isBareClone() {
  const at = fileURLToPath(import.meta.url).replaceAll('\\', '/');
  const root = at.endsWith('/packages/cli/tidemark.js') ? join(dirname(at), '../..') : null;
  return root !== null && existsSync(join(root, 'package-lock.json')) && !existsSync(join(root, 'node_modules'));
}

if (isBareClone()) {
  console.error(
    'tidemark: nothing is installed in this clone yet. Run "npm ci" first; "npm run demo" does so by itself',
  );
  process.exit(2);
} else if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
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
  // The channel closes when this process is gone, however it ends, and a site ends with it.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
  const child = spawn(node, [self, ...process.argv.slice(2)], { stdio, env });
  // Whoever started this process knows it alone: what it is told, the real one is told, and as that ends, this ends.
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`tidemark: ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // A signal that does not end this process says so in the way of shells.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 1_000);
  });
}
