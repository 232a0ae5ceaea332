/** A planned move begins here (protocol E9): nothing is to be lost, so the old primary hands over before it is fenced. */

import type { Register } from '@tidemark/control/consensus/register';
import { newestTerm } from '@tidemark/control/consensus/register-value';
import type { Clock } from '@tidemark/platform/clock';
import type { Members } from './members.ts';

/** How long the old primary takes no writes at most before a planned move is given up. */
const DRAIN_MS = 5_000;
const DRAIN_LOOK_MS = 10;

type DrainParts = {
  readonly register: Register;
  readonly members: Members;
  readonly site: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

/** E9: the old primary takes no more, and everything it has is here. @returns why that did not come about, or null */
export async function drain({ register, members, site, clock, signal }: DrainParts): Promise<string | null> {
  const value = await register.read(signal);
  const term = newestTerm(value);
  // Who is named already, or goes before who is, need not wait for a primary that may be gone: it is fenced anyway.
  if (term === null || term.site === site || value.election !== null) return null;
  const left = await members.ask(term.site, (peer, keyspace) => peer.abdicate(keyspace, site));
  const refuse = async (reason: string): Promise<string> => {
    await members.ask(term.site, (peer, keyspace) => peer.resume(keyspace, site));
    return reason;
  };
  if (left === null) return refuse(`${term.site} did not hand over`);
  const deadlineMs = clock.monotonicMs() + DRAIN_MS;
  while (clock.monotonicMs() < deadlineMs && !signal.aborted) {
    const copy = (await members.copies(site))?.copies.find(({ origin }) => origin === term.site);
    const isLevel = left.heads.every((head, partition) => {
      const [epoch, seq] = copy?.positions[partition] ?? [0, -1];
      return epoch > left.epoch || (epoch === left.epoch && seq >= head);
    });
    if (isLevel) return null;
    await clock.sleep(DRAIN_LOOK_MS, signal);
  }
  return refuse(`${site} was not level with ${term.site} within ${DRAIN_MS} ms`);
}
