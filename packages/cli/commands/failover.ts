/** `tidemark failover --to SITE`: the primary is lost and another site takes over; with a loss only if it is accepted. */

import { wholeNumber } from '../invocation.ts';
import { type MoveFlags, moveCommand } from './move.ts';

type Flags = MoveFlags & { readonly acceptLoss?: number };

/** Runs a failover job; refused by a rule ends with exit code 3. */
export const failover = moveCommand<Flags>(
  'failover',
  'make another site the primary because this one is lost',
  ({ acceptLoss }) => (acceptLoss === undefined ? {} : { acceptLoss }),
).option(
  '--accept-loss <rows>',
  'go on although rows may be lost, at most so many; refused when more are at stake',
  wholeNumber(0),
);
