/** Ticks as text, `1700000000000.17`: ms.counter. */

import { Fault } from '@tidemark/platform/fault';
import type { Tick } from '../follow/closed-timestamp.ts';

/** The tick as text that `parseTick` reads. */
export function formatTick(tick: Tick): string {
  return `${tick.ms}.${tick.counter}`;
}

/** @throws {Fault} `invalid`: not such a text. */
export function parseTick(text: string): Tick {
  const match = /^(\d{1,15})\.(\d{1,5})$/.exec(text);
  if (match !== null) return { ms: Number(match[1]), counter: Number(match[2]) };
  throw new Fault('invalid', `"${text}", expected ms.counter, as 1700000000000.17`, {
    got: text,
    expected: 'ms.counter',
  });
}
