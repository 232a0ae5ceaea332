/** Asks before what cannot be undone: a person at a terminal, or for `--yes`. */

import { createInterface } from 'node:readline/promises';
import { Fault } from '@tidemark/platform/fault';
import { type Invocation, misused } from './invocation.ts';

/**
 * Returns when it may be done.
 * @param what is to be done, as it follows "to": `throw away what only paris has`
 * @throws {Fault} `invalid`: nobody said yes, or nobody is there to ask
 */
export async function confirm<F>({ flags }: Invocation<F>, what: string): Promise<void> {
  if (flags.yes === true) return;
  const { stdin: input, stderr } = process;
  if (!input.isTTY || !stderr.isTTY) misused(`to ${what} cannot be undone: say --yes`);
  const asking = createInterface({ input, output: stderr });
  try {
    const answer = await asking.question(`${what[0]!.toUpperCase()}${what.slice(1)}? This cannot be undone. yes/no: `);
    if (answer.trim().toLowerCase() !== 'yes') throw new Fault('invalid', 'not confirmed: nothing was done');
  } finally {
    asking.close();
  }
}
