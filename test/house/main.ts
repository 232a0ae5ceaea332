/** `npm run house`: measures the tree. `-- --list` names what is unexplained, unreached, or in a circle. */

import { readFileSync } from 'node:fs';
import { House } from './house.ts';

const house = new House();
const own = house.own;
const circles = house.circles();
const unexplained = house.unexplained();
const unreached = house.unreached();

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return `${at(0.5)} / ${at(0.9)} / ${sorted.at(-1)}`;
}

const words = readFileSync('ARCHITECTURE.md', 'utf8')
  .split(/\s+/)
  .filter((word) => word !== '').length;
const all = house.all;
const rows: [string, string | number][] = [
  ['files, own / for tests', `${own.length} / ${all.length - own.length}`],
  ['lines, own / for tests', `${sum(own)} / ${sum(all) - sum(own)}`],
  ['file lines p50 / p90 / max', spread(own.map(({ lines }) => lines))],
  ['function lines p50 / p90 / max', spread(own.flatMap(({ functionLines }) => functionLines))],
  ['import circles, types included', circles.length],
  ['exported names without a docstring', unexplained.length],
  ['files no entry reaches', unreached.length],
  ['words of ARCHITECTURE.md', words],
];
for (const [what, value] of rows) console.log(`${what.padEnd(38)}${value}`);
console.log(`\n${'room'.padEnd(38)}files  lines`);
for (const { folder, files, lines } of house.rooms().slice(0, process.argv.includes('--list') ? Infinity : 12)) {
  console.log(`${folder.padEnd(38)}${String(files).padStart(5)}${String(lines).padStart(7)}`);
}
if (process.argv.includes('--list')) {
  for (const circle of circles) console.log(`circle: ${circle.join(' ')}`);
  for (const name of unexplained) console.log(`unexplained: ${name}`);
  for (const path of unreached) console.log(`unreached: ${path}`);
}

function sum(sources: readonly { readonly lines: number }[]): number {
  return sources.reduce((total, { lines }) => total + lines, 0);
}
