/** What a published package has to list: the packages its modules import, as the workspaces pin them. */

import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './emit.ts';

type Versions = Readonly<Record<string, string>>;
type Manifest = { readonly dependencies?: Versions; readonly optionalDependencies?: Versions };

/**
 * @param path of the published package's manifest
 * @param imported names as modules write them, like `avsc` or `kafkajs/src/broker`
 * @throws when it lists anything else; the message is what to write there
 */
export async function checkDependencies(path: string, imported: readonly string[]): Promise<void> {
  const { dependencies = {}, optionalDependencies = {} } = await manifestAt(path);
  const expected = await expectedDependencies(imported);
  const got = { dependencies, optionalDependencies };
  if (sorted(got) === sorted(expected)) return;
  throw new Error(`${path} has to list exactly\n${JSON.stringify(expected, null, 2)}`);
}

async function expectedDependencies(imported: readonly string[]): Promise<Required<Manifest>> {
  const workspaces = await Promise.all(
    globSync('{packages,services}/*/package.json', { cwd: ROOT }).map(manifestAtRoot),
  );
  const needed = Object.assign({}, ...workspaces.map((one) => one.dependencies)) as Versions;
  const optional = Object.assign({}, ...workspaces.map((one) => one.optionalDependencies)) as Versions;
  const dependencies: Record<string, string> = {};
  // The Node it runs on comes along as it does in a clone.
  const optionalDependencies: Record<string, string> = {
    ...(await manifestAtRoot('package.json')).optionalDependencies,
  };
  for (const name of new Set(imported.map(packageOf)).values()) {
    if (needed[name] !== undefined) dependencies[name] = needed[name];
    else if (optional[name] !== undefined) optionalDependencies[name] = optional[name];
    else throw new Error(`${name} is imported, and no workspace lists it`);
  }
  return { dependencies, optionalDependencies };
}

/** `@scope/name/inner` → `@scope/name`. */
function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

async function manifestAt(path: string): Promise<Manifest> {
  return JSON.parse(await readFile(path, 'utf8')) as Manifest;
}

function manifestAtRoot(path: string): Promise<Manifest> {
  return manifestAt(join(ROOT, path));
}

function sorted(manifest: Required<Manifest>): string {
  const parts = [manifest.dependencies, manifest.optionalDependencies];
  return JSON.stringify(parts.map((part) => Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))));
}
