/** A stored decision as a paragraph for somebody who was not there. Pure; the same decision gives the same words. */

import { formatTimestamp } from '@tidemark/model/text/time';
import type { Amount, Decision, Sighting } from './decision.ts';

/** What happened, who saw what, the rule, how long it took, what was kept, lost and paid, and what would have helped. */
export function explain(decision: Decision): string {
  const sentences = [
    `${whenOf(decision.atMs)}, ${headOf(decision)}`,
    decision.words,
    ...sightingsOf(decision),
    decision.rule === '' ? null : `The rule: ${decision.rule}`,
    phasesOf(decision),
    balanceOf(decision),
    decision.unknown === null ? null : `What cannot be known: ${decision.unknown}`,
    decision.cost,
    decision.wouldHavePrevented === null ? null : `What would have prevented it: ${decision.wouldHavePrevented}`,
    decision.remedy === null ? null : `What helps now: ${decision.remedy}`,
  ];
  const names = sitesOf(decision);
  return sentences
    .filter((text): text is string => text !== null && text !== '')
    .map((text) => sentence(text, names))
    .join(' ');
}

/** `On 2026-11-25 at 10:24:49.123 UTC`. */
function whenOf(atMs: number): string {
  const [day, time] = formatTimestamp(atMs * 1_000).split('T') as [string, string];
  return `On ${day} at ${time.replace('Z', ' UTC')}`;
}

function headOf({ keyspace, kind, outcome, site, from, to, epoch }: Decision): string {
  const ks = `keyspace ${keyspace}`;
  const target = to ?? 'another site';
  const source = from ?? 'its primary';
  const term = epoch === null ? '' : `, which writes in epoch ${epoch} since then`;
  switch (kind) {
    case 'beginning':
      return ended(outcome, {
        what: `the first writer of ${ks}, at ${target},`,
        done: `${ks} was written for the first time, at ${target}${inEpoch(epoch)}`,
      });
    case 'restart':
      return ended(outcome, {
        what: `a new writer of ${ks} at ${target}`,
        done: `a new writer at ${target} took ${ks} over from the one before it at the same site${inEpoch(epoch)}`,
      });
    case 'failover':
      return ended(outcome, {
        what: `the move of ${ks} from ${source} to ${target}`,
        done: `${ks} moved from ${source} to ${target}${term}`,
      });
    case 'switchover':
      return ended(outcome, {
        what: `the planned move of ${ks} from ${source} to ${target}`,
        done: `${ks} was moved as planned from ${source} to ${target}${term}`,
      });
    case 'takeover':
      return ended(outcome, {
        what: `finishing, at ${target}, an election of ${ks} that stood still`,
        done: `${target} finished an election of ${ks} that stood still${inEpoch(epoch)}`,
      });
    case 'recommendation':
      return `${site} recommended to move ${ks} from ${source} to ${target}, and moved nothing`;
    case 'return':
      return ended(outcome, {
        what: `the return of ${target} as a full member of ${ks}`,
        done: `${target} became a full member of ${ks} again`,
      });
    case 'demotion':
      return ended(outcome, {
        what: `no longer counting ${target} as a member of ${ks}`,
        done: `${target} stopped counting as a member of ${ks} until it is rebuilt`,
      });
    case 'tail':
      return ended(outcome, {
        what: `writing out, at ${target}, the records of ${ks} beyond the end of an epoch`,
        done: `the records of ${ks} beyond the end of an epoch were written out at ${target}`,
      });
    case 'pause':
      return ended(outcome, {
        what: `pausing the automatic failover of ${ks}`,
        done: `the automatic failover of ${ks} was paused`,
      });
    case 'resume':
      return ended(outcome, {
        what: `resuming the automatic failover of ${ks}`,
        done: `the automatic failover of ${ks} was resumed`,
      });
    case 'readmission':
      return ended(outcome, {
        what: `letting the vote of ${target} in ${ks} count again`,
        done: `the vote of ${target} in ${ks} counts again`,
      });
    case 'refusal':
      return `${site} refused to move ${ks} from ${source} to ${target}, and changed nothing`;
    case 'untold':
      return `it was found that ${target} led ${ks}${inEpoch(epoch)}, and nobody wrote down how that was decided`;
  }
}

function inEpoch(epoch: number | null): string {
  return epoch === null ? '' : `, in epoch ${epoch}`;
}

function ended(outcome: Decision['outcome'], { what, done }: { what: string; done: string }): string {
  switch (outcome) {
    case 'begun':
      return `${what} was decided; how that ended is not known here`;
    case 'refused':
      return `${what} was refused, and nothing was changed`;
    case 'superseded':
      return `${what} was begun and given up, as the register moved on meanwhile`;
    case 'failed':
      return `${what} was begun and did not succeed`;
    case 'done':
      return done;
  }
}

function sightingsOf({ saw, from }: Decision): string[] {
  const primary = from ?? 'the primary';
  const judged = saw.filter((one) => one.abstains === null);
  const silent = judged.filter((one) => one.suspects);
  const others = judged.filter((one) => !one.suspects);
  return [
    ...silent.map(
      (one) =>
        `${one.site} had heard nothing of ${primary}: ${silenceOf(one)}; it had suspected it for ${seconds(one.sinceMs)}`,
    ),
    ...(others.length === 0 ? [] : [`${listOf(others.map(({ site }) => site))} still heard ${primary}`]),
    ...saw.filter((one) => one.abstains !== null).map((one) => `${one.site} abstained: ${one.abstains}`),
  ];
}

/** `no barrier for 3.5 s, no answer to a probe for 3.4 s and no heartbeat that could be read`. */
function silenceOf({ signs: { dataMs, probeMs, beatMs } }: Sighting): string {
  return listOf([
    dataMs === null ? 'no copy of its log to go by' : `no barrier for ${seconds(dataMs)}`,
    probeMs === null ? 'no probe asked' : `no answer to a probe for ${seconds(probeMs)}`,
    beatMs === null ? 'no heartbeat that could be read' : `no heartbeat for ${seconds(beatMs)}`,
  ]);
}

function phasesOf({ phases }: Decision): string | null {
  if (phases.length === 0) return null;
  const total = phases.reduce((sum, phase) => sum + phase.ms, 0);
  return `It took ${seconds(total)}: ${listOf(phases.map(({ name, ms }) => `${seconds(ms)} for ${name}`))}`;
}

function balanceOf({ kept, lost }: Decision): string | null {
  if (kept === null && lost === null) return null;
  const parts = [
    kept === null ? null : `${amountOf(kept)} of the epoch that ended were kept`,
    lost === null
      ? 'how much was lost is not known'
      : lost.records === 0 && !lost.rows
        ? 'nothing acked was lost'
        : `${amountOf(lost)} at most were lost`,
  ];
  return parts.filter((part) => part !== null).join(', and ');
}

function amountOf({ records, rows }: Amount): string {
  return rows === null ? `${records} records` : `${records} records with ${rows} rows`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function listOf(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

/** Begins with a capital, unless it begins with the name of a site, and ends with a full stop, whoever wrote it. */
function sentence(text: string, names: ReadonlySet<string>): string {
  const trimmed = text.trim().replace(/[.;,\s]+$/, '');
  const begins = /^[\w-]+/.exec(trimmed)?.[0] ?? '';
  return `${names.has(begins) ? trimmed : trimmed[0]!.toUpperCase() + trimmed.slice(1)}.`;
}

function sitesOf({ site, from, to, saw }: Decision): ReadonlySet<string> {
  return new Set([site, from ?? site, to ?? site, ...saw.map((one) => one.site)]);
}
