/** Whether a majority of the register's sites takes the primary for lost, and which of them acts on it. Pure. */

import { majorityOf, newestTerm, type RegisterValue, voters } from '../consensus/register-value.ts';
import type { HealthVote } from './suspicion.ts';

/** How long suspicion must hold, and how long sites wait for each other, in ms. */
export type AgreementRules = {
  /** Every site of the majority must have suspected for this long without a break. */
  readonly suspicionStableMs: number;
  /** Each further site in the order waits so much longer, in case those before it cannot act. */
  readonly standInMs: number;
};

/** The rules that run: one second of agreement, and two seconds between stand-ins. */
export const AGREEMENT_RULES: AgreementRules = { suspicionStableMs: 1_000, standInMs: 2_000 };

/** What the votes of all sites amount to at one moment. */
export type Agreement = {
  /** Sites that suspect the newest term's primary, in the register's order. */
  readonly suspecting: readonly string[];
  /** How many votes a majority is. */
  readonly need: number;
  /** For how long a majority has suspected it without a break; 0 when there is none. */
  readonly agreedMs: number;
  /** The site whose turn it is to act; null: nobody's yet. */
  readonly turn: string | null;
  /** True when there can be no majority without the primary's own site, however many suspect it. */
  readonly isHopeless: boolean;
};

/** @param healthVotes at most one counts for each site; healthVotes of another term, and those of sites without a vote, do not */
export function agreementOf(
  value: RegisterValue,
  healthVotes: readonly HealthVote[],
  rules: AgreementRules,
): Agreement {
  const term = newestTerm(value);
  const sites = voters(value);
  const need = majorityOf(sites.length);
  const isHopeless = term !== null && sites.filter((site) => site !== term.site).length < need;
  const counted = sites.flatMap((site) => {
    const healthVote = healthVotes.find((one) => one.site === site);
    if (healthVote === undefined || healthVote.epoch !== term?.epoch) return [];
    return healthVote.suspects && healthVote.abstains === null ? [healthVote] : [];
  });
  // Whoever was asked at the primary's own site and answered is alive.
  const isHeard = healthVotes.some((one) => one.site === term?.site);
  const longest = counted.map((one) => one.sinceMs).sort((a, b) => b - a);
  const agreedMs = isHeard ? 0 : (longest[need - 1] ?? 0);
  const suspecting = counted.map((one) => one.site);
  const waited = Math.floor((agreedMs - rules.suspicionStableMs) / rules.standInMs);
  const turn = waited < 0 ? null : (suspecting[Math.min(waited, suspecting.length - 1)] ?? null);
  return { suspecting, need, agreedMs, turn, isHopeless };
}

/** Whether `site` may act now: it is its turn, or was before. */
export function mayAct({ suspecting, turn }: Agreement, site: string): boolean {
  const own = suspecting.indexOf(site);
  return turn !== null && own >= 0 && own <= suspecting.indexOf(turn);
}
