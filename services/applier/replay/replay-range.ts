/**
 * Which records a replay takes, as rpk writes ranges. One bound:
 *
 *   start  end  1042        the log's first record, its end when the replay begins, an offset
 *   +n  -n                  n records after the start, n before the end
 *   3:1042                  a position, epoch:seq
 *   @1700000000000  @2026-11-23T10:00:00Z  -1h  @-1h     when this site's log took the record; ms s m h d
 *
 * `from` is included, `to` is not. A whole range may stand in `from` alone: `:end`, `+10:-10`, `@t1:t2`, `@-2h:-1h`.
 */

import type { Position } from '@tidemark/model/position';
import { timestampFromText } from '@tidemark/model/text/time';
import { Fault } from '@tidemark/platform/fault';

/** One end of a range, as it was written; what it means in offsets depends on the log. */
export type Bound =
  | { readonly by: 'start' | 'end' }
  | { readonly by: 'offset' | 'afterStart' | 'beforeEnd'; readonly count: number }
  | { readonly by: 'position'; readonly at: Position }
  | { readonly by: 'time'; readonly timeMs: number };

/** Records at or after `from` and before `to`. */
export type Range = { readonly from: Bound; readonly to: Bound };

const EXPECTED = 'start, end, an offset, +n, -n, epoch:seq, @time, or -1h';
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @throws {Fault} `invalid`: not a range; names the text. @param nowMs what durations are counted back from */
export function parseRange(from: string | undefined, to: string | undefined, nowMs: number): Range {
  const first = from ?? 'start';
  if (to !== undefined) return { from: bound(first, nowMs), to: bound(to, nowMs) };
  const alone = parseBound(first, nowMs);
  if (alone !== null) return { from: alone, to: { by: 'end' } };
  return splitRange(first, nowMs) ?? refuse(first);
}

/** `a:b`, where times may hold colons themselves: the first split whose halves both make sense. */
function splitRange(text: string, nowMs: number): Range | null {
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) {
    const left = text.slice(0, at);
    const right = text.slice(at + 1);
    const from = left === '' ? ({ by: 'start' } as const) : parseBound(left, nowMs);
    const isTime = left.startsWith('@') && !right.startsWith('@');
    const to = right === '' ? ({ by: 'end' } as const) : parseBound(isTime ? `@${right}` : right, nowMs);
    if (from !== null && to !== null) return { from, to };
  }
  return null;
}

function bound(text: string, nowMs: number): Bound {
  return parseBound(text, nowMs) ?? refuse(text);
}

function refuse(text: string): never {
  throw new Fault('invalid', `replay range "${text}", expected ${EXPECTED}`, { got: text, expected: EXPECTED });
}

function parseBound(text: string, nowMs: number): Bound | null {
  if (text === 'start' || text === 'end') return { by: text };
  const duration = /^@?-(\d+)(ms|s|m|h|d)$/.exec(text);
  if (duration !== null) return { by: 'time', timeMs: nowMs - Number(duration[1]) * UNIT_MS[duration[2]!]! };
  if (text.startsWith('@')) return timeBound(text.slice(1));
  const position = /^(\d+):(\d+)$/.exec(text);
  if (position !== null) return { by: 'position', at: { epoch: Number(position[1]), seq: Number(position[2]) } };
  const count = /^([+-]?)(\d+)$/.exec(text);
  if (count === null) return null;
  const by = count[1] === '+' ? 'afterStart' : count[1] === '-' ? 'beforeEnd' : 'offset';
  return { by, count: Number(count[2]) };
}

function timeBound(text: string): Bound | null {
  if (/^\d+$/.test(text)) return { by: 'time', timeMs: Number(text) };
  const us = timestampFromText(text);
  return Number.isNaN(us) ? null : { by: 'time', timeMs: Math.ceil(us / 1000) };
}
