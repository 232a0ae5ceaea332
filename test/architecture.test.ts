import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
const PAGES = ['ARCHITECTURE.md', 'README.md', ...docs.map((name) => `docs/${name}`)];
const architecture = read('ARCHITECTURE.md');

/** Files and folders of ours that a page names in its text. */
const named = (page: string): string[] =>
  [...page.matchAll(/`((?:packages|services|test|examples|deploy|docs)\/[\w./-]+)`/g)].map((match) => match[1]!);
/** What a page links to, seen from the repository's root. */
const linked = (path: string): string[] =>
  [...read(path).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
    .map((match) => match[1]!)
    .filter((to) => !to.includes('://'))
    .map((to) => join(dirname(path), to));

describe('the pages', () => {
  for (const path of PAGES) {
    it(`${path} names only files that exist`, () => {
      const all = [...named(read(path)), ...linked(path)];
      expect(all.filter((one) => !existsSync(join(ROOT, one)))).toEqual([]);
    });
  }

  it('are all reached from ARCHITECTURE.md', () => {
    const reached = linked('ARCHITECTURE.md');
    expect(docs.map((name) => `docs/${name}`).filter((path) => !reached.includes(path))).toEqual([]);
  });
});

describe('ARCHITECTURE.md', () => {
  it('names every package and service, and the files of a write, a read, a failover and a flush', () => {
    const all = [...named(architecture), ...linked('ARCHITECTURE.md')];
    expect(all.length).toBeGreaterThan(40);
    const rooms = ['packages', 'services'].flatMap((top) =>
      readdirSync(join(ROOT, top), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `${top}/${entry.name}`),
    );
    expect(rooms.filter((room) => !all.some((path) => path === room || path.startsWith(`${room}/`)))).toEqual([]);
  });

  it('has 1,500 words at most', () => {
    expect(architecture.split(/\s+/).length).toBeLessThanOrEqual(1_500);
  });
});

describe('docs/format.md', () => {
  const format = read('docs/format.md');
  /** The bytes that a section shows, as hex. */
  const shown = (heading: string): string => {
    const section = format.split(/^## /m).find((text) => text.startsWith(heading))!;
    const lines = [...section.matchAll(/^00[0-9a-f]{2} ((?:[0-9a-f]{2}| )+)/gm)].map((match) => match[1]!);
    return lines.map((line) => line.split(/ {3,}/)[0]!.replaceAll(' ', '')).join('');
  };

  it('shows the bytes of a record as they are frozen', () => {
    expect(shown('A record')).toBe(read('test/golden/data/records-v2.hex').trim().split('\n')[1]);
  });

  it('shows the bytes of a control record as they are frozen', () => {
    expect(read('test/golden/data/control-v1.hex').trim().split('\n')).toContain(shown('A control record'));
  });
});
