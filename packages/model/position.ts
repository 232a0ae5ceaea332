/** Positions: where a record stands in what a site originated. Carried inside the record; an offset is only a hint. */

import { Fault } from '@tidemark/platform/fault';

/** `seq` counts from 0 in every epoch; −1 means before the epoch's first record. */
export type Position = {
  /** Counts the primaries of a keyspace, from 1 on. */
  readonly epoch: number;
  /** Counts the records of an epoch. */
  readonly seq: number;
};

/** Before anything. */
export const NOWHERE: Position = { epoch: 0, seq: -1 };

/** Negative when `a` comes first. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}

/** `3:1042`: epoch:seq. */
export function formatPosition(position: Position): string {
  return `${position.epoch}:${position.seq}`;
}

/** Of `3:1042` as `formatPosition` writes it. @throws {Fault} `invalid`: not one. */
export function parsePosition(text: string): Position {
  const [, epoch, seq] = /^(\d+):(-1|\d+)$/.exec(text) ?? [];
  if (epoch !== undefined) return { epoch: Number(epoch), seq: Number(seq) };
  throw new Fault('invalid', `position "${text}", expected epoch:seq, like 3:1042`, { got: text });
}

/** A write's receipt: where each of its partitions ended up at the site that accepted it. */
export type Token = {
  readonly keyspace: string;
  readonly origin: string;
  /** Partition → position. */
  readonly positions: ReadonlyMap<number, Position>;
};

/** Printable, safe in a header: `travel/paris/0=1:17,5=1:3`; of a write without rows `travel/paris/`. */
export function formatToken(token: Token): string {
  const parts = [...token.positions].sort((a, b) => a[0] - b[0]).map(([p, at]) => `${p}=${formatPosition(at)}`);
  return `${token.keyspace}/${token.origin}/${parts.join(',')}`;
}

/** @throws {Fault} `invalid`: not a token. */
export function parseToken(text: string): Token {
  const match = /^([^/]+)\/([^/]+)\/((?:\d+=\d+:\d+(?:,\d+=\d+:\d+)*)?)$/.exec(text);
  if (match === null) {
    const expected = 'a token as a write returned it, like travel/paris/0=1:17';
    throw new Fault('invalid', `token "${text}", expected ${expected}`, { got: text, expected });
  }
  const positions = match[3]!
    .split(',')
    .filter(Boolean)
    .map((part): [number, Position] => {
      const [partition, epoch, seq] = part.split(/[=:]/).map(Number);
      return [partition!, { epoch: epoch!, seq: seq! }];
    });
  return { keyspace: match[1]!, origin: match[2]!, positions: new Map(positions) };
}
