/**
 * What one site asks of another beside votes, seen from the register: it is done only where the register names what it is
 * about. Pure; each says why a request agrees with nothing that stands in a value, or null when it does.
 */

import { isDeepStrictEqual } from 'node:util';
import { type Cause, type EpochEndAt, memberNamed, newestTerm, type RegisterValue } from './register-value.ts';

type FenceAsked = { readonly origin: string; readonly closes: number; readonly by: number };

/** A fence takes rights away for good: only the election that is open may write one, and only against the newest term. */
export function whyNoFence(value: RegisterValue, { origin, closes, by }: FenceAsked): string | null {
  const { election } = value;
  const newest = newestTerm(value);
  if (election?.epoch !== by) return `a fence by epoch ${by}, ${openElection(value)}`;
  if (newest?.epoch === closes && newest.site === origin) return null;
  return `a fence of epoch ${closes} of ${origin}, the newest is ${newest?.epoch ?? 0} of ${newest?.site ?? 'nobody'}`;
}

type FillAsked = { readonly origin: string; readonly epoch: number; readonly epochEnds: readonly EpochEndAt[] };

/** Copies are filled up to where the register says a term ended; of the newest the open election finds that out. */
export function whyNoFill(value: RegisterValue, { origin, epoch, epochEnds }: FillAsked): string | null {
  const term = value.terms.find((one) => one.epoch === epoch && one.site === origin);
  if (term === undefined) return `epoch ${epoch} of ${origin} is no term of it`;
  if (term.epochEnds === null)
    return value.election === null ? `epoch ${epoch} has not ended, ${openElection(value)}` : null;
  const ends = (all: readonly EpochEndAt[]): (readonly [number, string])[] => all.map(({ seq, chain }) => [seq, chain]);
  return isDeepStrictEqual(ends(term.epochEnds), ends(epochEnds)) ? null : `epoch ${epoch} ended elsewhere`;
}

/** A writer hands over to a member that counts, while nobody is being elected. */
export function whyNoHandOver(value: RegisterValue, to: string): string | null {
  const newest = newestTerm(value);
  if (value.election !== null) return openElection(value);
  if (to === newest?.site) return `${to} is its primary`;
  return memberNamed(value, to)?.state === 'ACTIVE' ? null : `${to} is no member that could take over`;
}

type NominationAsked = { readonly cause: Cause; readonly version: number };

/** A site stands for election by the value that whoever asks has seen; for a suspicion only where that may begin one. */
export function whyNoNomination(value: RegisterValue, { cause, version }: NominationAsked): string | null {
  if (version !== value.version) return `the register is at version ${value.version}, not ${version}`;
  if (cause !== 'suspicion') return null;
  if (value.paused) return 'suspicion begins no election while it is paused';
  return value.failover === 'automatic' ? null : 'failover is manual';
}

function openElection({ election }: RegisterValue): string {
  return election === null
    ? 'no election is open'
    : `the election of epoch ${election.epoch} by ${election.site} is open`;
}
