import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const page = read('ARCHITECTURE.md');

describe('ARCHITECTURE.md', () => {
  it('names only files that exist, and every package and service', () => {
    const named = [...page.matchAll(/`((?:packages|services|test|examples|deploy)\/[\w./-]+)`/g)].map(
      (match) => match[1]!,
    );
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((path) => !existsSync(new URL(`../${path}`, import.meta.url)))).toEqual([]);
    const rooms = ['platform', 'model', 'record', 'columnar', 'log', 'store', 'control'].map(
      (name) => `packages/${name}/`,
    );
    const services = ['writer', 'mirror', 'applier', 'site'].map((name) => `services/${name}/`);
    for (const room of [...rooms, ...services]) expect(named.some((path) => path.startsWith(room))).toBe(true);
  });

  it('shows the bytes of a record as they are frozen', () => {
    const section = page.split(/^## /m).find((text) => text.startsWith('A record'))!;
    const lines = [...section.matchAll(/^00[0-9a-f]{2} ((?:[0-9a-f]{2}| )+)/gm)].map((match) => match[1]!);
    const shown = lines.map((line) => line.split(/ {3,}/)[0]!.replaceAll(' ', '')).join('');
    expect(shown).toBe(read('test/golden/data/records-v1.hex').trim().split('\n')[1]);
  });
});
