/** `tidemark switchover --to SITE`: the primary moves as planned; nothing is lost, and writes pause for a moment. */

import { moveCommand } from './move.ts';

/** Runs a switchover job, in which the old primary stops first. */
export const switchover = moveCommand('switchover', 'move the primary to another site, as planned');
