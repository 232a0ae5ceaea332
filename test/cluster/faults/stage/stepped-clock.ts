/**
 * `node --import stepped-clock.ts?FILE`: a process whose wall clock is off by as many ms as the file says, from one look at
 * it to the next; its steady clock stays right. For stepping the clock of a process that runs.
 */

import { readFileSync } from 'node:fs';

const LOOK_MS = 50;
const file = decodeURIComponent(new URL(import.meta.url).search.slice(1));
const trueNow = Date.now;
let offMs = 0;

function look(): void {
  try {
    offMs = Number(readFileSync(file, 'utf8'));
  } catch {
    offMs = 0;
  }
}

look();
setInterval(look, LOOK_MS).unref();
Date.now = () => trueNow() + offMs;
