/** The two packages that others install, each built into a folder from the sources as they are. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bring, emit, ROOT } from './emit.ts';
import { checkDependencies } from './manifest.ts';
import { declarationFiles, type PublicTypes, printTypes, publicTypes } from './public-types.ts';

const SDK = 'packages/client/client.ts';
const CLI = 'packages/cli/main.ts';
const SHIM = 'packages/cli/tidemark.js';
/** Node 20 reads it; `using` is written out for it. */
const SDK_TARGET = 'es2022';
/** What the project itself runs on reads everything. */
const CLI_TARGET = 'esnext';
/** What a first try takes, beside what the modules name themselves. */
const EXAMPLES = ['examples/travel.json', 'examples/flights.csv'];

/**
 * The SDK: its modules, and its public types in one file.
 * @returns the public types
 * @throws when it imports a package: it has to work alone
 */
export async function buildClient(folder: string): Promise<PublicTypes> {
  const { modules, imported } = await emit({ entries: [SDK], target: SDK_TARGET, folder, declarations: true });
  if (imported.length > 0) throw new Error(`the SDK imports ${imported.join(', ')}; it has to work alone`);
  const types = publicTypes(join(folder, SDK.replace(/\.ts$/, '.d.ts')), declarationFiles(folder));
  for (const module of modules) await rm(join(folder, module.replace(/\.js$/, '.d.ts')));
  await writeFile(join(folder, 'client.d.ts'), printTypes(types));
  return types;
}

/**
 * The command, with every site's services, and the files that it finds at run time.
 * @throws when its manifest lists other dependencies than the modules import
 */
export async function buildTidemark(folder: string): Promise<void> {
  const { modules, imported } = await emit({ entries: [CLI], target: CLI_TARGET, folder });
  for (const pom of await pomsNamedIn(folder, modules)) await bring(`packages/dev/maven/${pom}`, folder);
  for (const example of EXAMPLES) await bring(example, folder);
  await bring(SHIM, folder);
  const shim = await readFile(join(folder, SHIM), 'utf8');
  await writeFile(join(folder, SHIM), shim.replace("'./main.ts'", "'./main.js'"));
  await checkDependencies(join(ROOT, 'publish/tidemark/package.json'), imported);
}

/** The lists that Maven fetches by. */
async function pomsNamedIn(folder: string, modules: readonly string[]): Promise<Set<string>> {
  const texts = await Promise.all(modules.map((module) => readFile(join(folder, module), 'utf8')));
  return new Set(texts.flatMap((text) => [...text.matchAll(/'([\w-]+\.pom\.xml)'/g)].map((match) => match[1]!)));
}
