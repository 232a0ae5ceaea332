#!/usr/bin/env node
// Runs before `npm run demo` and `npm test`: installs what the lock file lists, unless it is installed already.
// Plain JavaScript without imports from elsewhere: it has to run in a fresh clone, on any Node from 20 on.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const LOCK = join(ROOT, 'package-lock.json');
/** npm writes it last of all, so one that is there means that the install came to its end. */
const INSTALLED = join(ROOT, 'node_modules/.package-lock.json');

/** Null when everything is there, or why it is not. */
function reasonToInstall() {
  if (!existsSync(INSTALLED)) return 'node_modules is missing';
  if (statSync(INSTALLED).mtimeMs >= statSync(LOCK).mtimeMs) return null;
  // A checkout touches the lock file without changing what is in it.
  const installed = packagesIn(INSTALLED);
  const other = Object.entries(packagesIn(LOCK)).find(([path, entry]) => !isThere(path, entry, installed[path]));
  return other === undefined ? null : `node_modules is older than package-lock.json: ${other[0]} has changed`;
}

function packagesIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/** The entry '' is the project itself. An optional package that is absent was left out, or is for other machines. */
function isThere(path, entry, installed) {
  if (path === '') return true;
  if (installed === undefined) return entry.optional === true;
  return installed.version === entry.version && installed.integrity === entry.integrity;
}

/** npm as it runs this script, or else as the machine has it. */
function install() {
  // The older Node that npm may run on is not the one that the project runs on: no warnings about it.
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath ?? '';
  // What a person types may be read by a program: the result alone goes to standard output.
  const options = { cwd: ROOT, stdio: ['ignore', 2, 2] };
  const { status, error } = /npm-cli\.c?js$/.test(npm)
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (error !== undefined) console.error(`npm could not be started: ${error.message}`);
  return status ?? 1;
}

const reason = reasonToInstall();
if (reason !== null) {
  console.error(`${reason}: npm ci`);
  const status = install();
  if (status !== 0) process.exit(status);
}

const node = join(ROOT, 'node_modules/.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
if (!existsSync(node) && Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  console.error(`this needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}, and npm installed none`);
  process.exit(2);
}
