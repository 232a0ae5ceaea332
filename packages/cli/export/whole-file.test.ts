import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeWhole } from './whole-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-whole-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a file that is written whole', () => {
  const write = (path: string): Promise<void> => writeWhole(path, (file) => file.writeFile('new'));

  it('takes the place of a file, and writes over nothing beside it', async () => {
    await writeFile(join(folder, 'a.csv'), 'old');
    await writeFile(join(folder, 'a.csv.tmp'), "somebody else's");
    await write(join(folder, 'a.csv'));
    expect(await readFile(join(folder, 'a.csv'), 'utf8')).toBe('new');
    expect(await readFile(join(folder, 'a.csv.tmp'), 'utf8')).toBe("somebody else's");
    expect(await readdir(folder)).toHaveLength(2);
  });

  it('refuses folders, links and devices, naming what is there, and leaves them alone', async () => {
    await mkdir(join(folder, 'd'));
    await writeFile(join(folder, 'target'), 'old');
    await symlink('target', join(folder, 'link'));
    await symlink('nowhere', join(folder, 'dangling'));
    // Stands for every device: none of the machine's own is put at stake.
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const places = { pipe: 'no regular file', d: 'a folder', link: 'a symbolic link', dangling: 'a symbolic link' };
    for (const [name, what] of Object.entries(places))
      await expect(write(join(folder, name))).rejects.toThrow(`${join(folder, name)}: it is ${what}`);
    expect(await readlink(join(folder, 'link'))).toBe('target');
    expect(await readFile(join(folder, 'target'), 'utf8')).toBe('old');
    expect((await readdir(folder)).sort()).toEqual(['d', 'dangling', 'link', 'pipe', 'target']);
  });
});
