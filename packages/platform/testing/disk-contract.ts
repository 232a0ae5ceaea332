/** The promises of every Disk, as a suite its implementations run. */

import { describe, expect, it } from 'vitest';
import { type Disk, replaceFile } from '../disk.ts';
import { isFault } from '../fault.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const bytes = (content: string): Uint8Array => Buffer.from(content);

async function write(disk: Disk, path: string, content: string): Promise<void> {
  const file = await disk.create(path);
  await file.append(bytes(content));
  await file.sync();
  await file.close();
}

/** `open` gives a disk with nothing on it, each time it is called. */
export function describeDisk(name: string, open: () => Promise<Disk>): void {
  describe(`disk contract: ${name}`, () => {
    it('reads back what was appended, whole and in part', async () => {
      const disk = await open();
      await disk.makeFolder('a/b');
      const file = await disk.create('a/b/c');
      await file.append(bytes('hello '));
      await file.append(bytes('world'));
      await file.close();
      expect(text(await disk.read('a/b/c'))).toBe('hello world');
      expect(text(await disk.readAt('a/b/c', 6, 3))).toBe('wor');
      expect(text(await disk.readAt('a/b/c', 9, 100))).toBe('ld');
      expect(text(await disk.readAt('a/b/c', 50, 10))).toBe('');
    });

    it('gives the new bytes of a file that was replaced after it was read', async () => {
      const disk = await open();
      await write(disk, 'f', 'old bytes');
      expect(text(await disk.readAt('f', 0, 3))).toBe('old');
      await write(disk, 'f', 'newer');
      expect(text(await disk.readAt('f', 0, 9))).toBe('newer');
      await replaceFile(disk, 'f', bytes('newest'));
      expect(text(await disk.readAt('f', 0, 9))).toBe('newest');
      expect(await disk.list('.')).toEqual(['f']);
    });

    it('lists names sorted, and nothing of a folder that is not there', async () => {
      const disk = await open();
      await disk.makeFolder('x');
      for (const path of ['x/b', 'x/a', 'x/c']) await write(disk, path, path);
      await disk.makeFolder('x/d');
      expect(await disk.list('x')).toEqual(['a', 'b', 'c', 'd']);
      expect(await disk.list('y')).toEqual([]);
      expect([await disk.exists('x/a'), await disk.exists('x/d'), await disk.exists('x/e')]).toEqual([
        true,
        true,
        false,
      ]);
    });

    it('renames a folder with all that is in it', async () => {
      const disk = await open();
      await disk.makeFolder('x/y/z');
      await write(disk, 'x/y/z/a', 'deep');
      expect(text(await disk.readAt('x/y/z/a', 0, 4))).toBe('deep');
      await disk.rename('x/y', 'x/w');
      await disk.syncFolder('x');
      expect(await disk.list('x')).toEqual(['w']);
      expect(text(await disk.readAt('x/w/z/a', 0, 4))).toBe('deep');
      expect(await disk.exists('x/y/z/a')).toBe(false);
    });

    it('names the file that is not there', async () => {
      const disk = await open();
      for (const ask of [() => disk.read('none'), () => disk.readAt('none', 0, 1)]) {
        const error: unknown = await ask().catch((e: unknown) => e);
        expect(isFault(error, 'notFound')).toBe(true);
        expect(String(error)).toContain('none');
      }
    });

    it('removes a file, a whole folder, and what is not there', async () => {
      const disk = await open();
      await disk.makeFolder('x/y');
      await write(disk, 'x/y/a', 'a');
      await disk.readAt('x/y/a', 0, 1);
      await disk.remove('x/nothing');
      await disk.remove('x');
      expect(await disk.exists('x')).toBe(false);
      expect(isFault(await disk.readAt('x/y/a', 0, 1).catch((e: unknown) => e), 'notFound')).toBe(true);
    });

    it('lets a folder be taken once, and again when it was let go', async () => {
      const disk = await open();
      const lock = await disk.lock('home');
      expect(isFault(await disk.lock('home').catch((e: unknown) => e), 'unavailable')).toBe(true);
      await lock[Symbol.asyncDispose]();
      await (await disk.lock('home'))[Symbol.asyncDispose]();
    });

    it('serves many reads of many files at once', async () => {
      const disk = await open();
      const paths = Array.from({ length: 300 }, (_, i) => `f${i}`);
      for (const path of paths) await write(disk, path, path);
      const reads = [...paths, ...paths].map(async (path) => expect(text(await disk.readAt(path, 0, 9))).toBe(path));
      await Promise.all(reads);
    });
  });
}
