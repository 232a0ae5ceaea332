import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it("README's figures are those of the page that has them all", () => {
  const [, fast] = readFileSync('README.md', 'utf8').split('\n## How fast\n');
  const rows = fast!.split('\n## ')[0]!.split('\n');
  const told = rows.filter((line) => line.startsWith('| '));
  const known = new Set(readFileSync('docs/performance.md', 'utf8').split('\n'));
  expect(told.length).toBeGreaterThan(3);
  expect(told.filter((line) => !known.has(line))).toEqual([]);
});
