import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cached, cachedEntry } from './cache.ts';

describe('cache', () => {
  let folder: string;
  const before = process.env.TIDEMARK_CACHE;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidemark-cache-test-'));
    process.env.TIDEMARK_CACHE = folder;
  });

  afterEach(() => {
    if (before === undefined) delete process.env.TIDEMARK_CACHE;
    else process.env.TIDEMARK_CACHE = before;
    rmSync(folder, { recursive: true });
  });

  const write = (text: string) => (entry: string) => writeFile(join(entry, 'thing'), text);

  it('makes an entry once', async () => {
    await cached('thing', write('first'));
    const entry = await cached('thing', write('second'));
    expect(await readFile(join(entry, 'thing'), 'utf8')).toBe('first');
  });

  it('of many who want it at once, one makes it', async () => {
    let makers = 0;
    const make = async (entry: string): Promise<void> => {
      makers++;
      await write('x')(entry);
    };
    const entries = await Promise.all([1, 2, 3].map(() => cached('thing', make)));
    expect(makers).toBe(1);
    expect(new Set(entries).size).toBe(1);
  });

  it('a failed one leaves no entry, and the next attempt makes it anew', async () => {
    const fail = async (entry: string): Promise<void> => {
      await write('half')(entry);
      throw new Error('the line went dead');
    };
    await expect(cached('thing', fail)).rejects.toThrow('the line went dead');
    expect(cachedEntry('thing')).toBeNull();
    const entry = await cached('thing', write('whole'));
    expect(await readFile(join(entry, 'thing'), 'utf8')).toBe('whole');
  });

  it('what a killed process left half made is removed, never taken for whole', async () => {
    const half = join(folder, 'thing.0a1b2c3d.tmp');
    await mkdir(half);
    await writeFile(join(half, 'thing'), 'half');
    const entry = await cached('thing', write('whole'));
    expect(await readFile(join(entry, 'thing'), 'utf8')).toBe('whole');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
