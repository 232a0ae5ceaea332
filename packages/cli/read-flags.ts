/** The flags of everything that reads: which rows, and how fresh they have to be. */

import type { ReadOptions } from '@tidemark/client/scan';
import type { Command } from 'commander';
import { type CommonFlags, collected, oneOf, wholeNumber } from './invocation.ts';

/** `atLeast` is the token of a write that the answer has to contain. */
export type ReadFlags = { readonly read: 'local' | 'primary'; readonly atLeast?: string };

/** Adds what `queryFromWords` takes. */
export function addQueryFlags(command: Command): void {
  command
    .option('--where <condition>', "like delay>60, origin='SAN' or origin in SAN,LAX (may be repeated)", collected)
    .option('--select <list>', 'like origin,"a, b",avg(delay) as late,count(*) as n')
    .option('--group-by <columns>', 'columns with commas between')
    .option('--order-by <list>', 'like late desc,origin')
    .option('--limit <rows>', 'rows at most', wholeNumber(1));
}

/** Adds `ReadFlags`. */
export function addReadFlags(command: Command): void {
  command
    .option(
      '--read <from>',
      'local: what a site has applied; primary: the newest committed',
      oneOf('local', 'primary'),
      'local',
    )
    .option('--at-least <token>', 'wait until the write of this token is in what is read');
}

/** How fresh and from where, as the flags say. */
export function readOptionsOf({ site, read, atLeast }: ReadFlags & CommonFlags): ReadOptions {
  return { read, ...(site === undefined ? {} : { at: site }), ...(atLeast === undefined ? {} : { atLeast }) };
}
