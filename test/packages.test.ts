/** What others install, looked at without a registry: `test/install/` installs it and runs it. */

import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildClient, buildTidemark } from '@tidemark/dev/pack/build';
import { modulesIn } from '@tidemark/dev/pack/emit';
import { filesOfUrls } from '@tidemark/dev/pack/module-text';
import { type PublicTypes, printTypes } from '@tidemark/dev/pack/public-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const MINUTE_MS = 60_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-packages-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Every module of a built tree stands for itself: what it names is in the tree, and nothing names this machine. */
async function expectWhole(tree: string): Promise<void> {
  for (const path of await modulesIn(tree)) {
    const text = readFileSync(join(tree, path), 'utf8');
    const imported = [...text.matchAll(/(?:^(?:import|export) [^'\n]*|\bimport\()'(\.[^']*)'/gm)].map((one) => one[1]!);
    const named = [...imported, ...filesOfUrls(text)].map((name) => join(dirname(path), name));
    expect(named.filter((name) => !existsSync(join(tree, name)))).toEqual([]);
    expect(text).not.toContain(ROOT);
    expect(text).not.toMatch(/(?:from|import\() ?'@tidemark\//);
  }
}

describe('@tidemark/client', () => {
  let types: PublicTypes;
  beforeAll(async () => {
    types = await buildClient(join(folder, 'client'));
  }, MINUTE_MS);

  it('stands for itself', () => expectWhole(join(folder, 'client')));

  it('offers what packages/client/api.d.ts says: a change there is one for whoever uses it (vitest -u writes it)', async () => {
    await expect(printTypes(types)).toMatchFileSnapshot(join(ROOT, 'packages/client/api.d.ts'));
  });

  it('says of everything it offers what it is', () => {
    const names = new Set(types.exported.map(({ name }) => name));
    expect(names.size).toBeGreaterThan(30);
    const silent = [...names].filter((name) =>
      types.exported.every((one) => one.name !== name || one.comment.length < 12),
    );
    expect(silent).toEqual([]);
    expect(types.exported.flatMap(silentMembers)).toEqual([]);
  });
});

/** Members of a class, an interface or an object type without a comment of their own. */
function silentMembers({ name, text }: { readonly name: string; readonly text: string }): string[] {
  const [first, ...lines] = text.split('\n');
  if (!/^export (?:declare class|interface|type [^=]*= \{$)/.test(first!)) return [];
  return lines.flatMap((line, i) => {
    const isMember = /^ {4}[a-zA-Z[$]/.test(line) && !/^ {4}(?:private |\[[A-Z] in )/.test(line);
    return isMember && !lines[i - 1]?.endsWith('*/') ? [`${name}: ${line.trim()}`] : [];
  });
}

describe('tidemark', () => {
  beforeAll(() => buildTidemark(join(folder, 'tidemark')), MINUTE_MS);

  it('stands for itself', () => expectWhole(join(folder, 'tidemark')));

  it('brings its threads, its programs, and what Maven fetches by', () => {
    const needed = [
      'packages/store/merge/compaction-thread.js',
      'packages/dev/reaper-main.js',
      'packages/dev/maven/kafka.pom.xml',
      'packages/dev/maven/redis.pom.xml',
      'examples/travel.json',
    ];
    expect(needed.filter((path) => !existsSync(join(folder, 'tidemark', path)))).toEqual([]);
  });
});

describe('the published manifests', () => {
  it('have the version of the project', () => {
    const versionOf = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8')).version;
    for (const name of ['client', 'tidemark'])
      expect(versionOf(`publish/${name}/package.json`)).toBe(versionOf('package.json'));
  });
});
