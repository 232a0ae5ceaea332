/** Candidates run elections (protocol E2–E7), rivals of one another and of the writer that still lives. */

import { isDeepStrictEqual } from 'node:util';
import { beginElection, commitElection } from '@tidemark/control/consensus/register-changes';
import { type Election, newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { livedThrough } from '@tidemark/control/consensus/vouching';
import {
  asLed,
  closureOf,
  epochEndsOf,
  type FenceReport,
  type Holder,
  holdersOf,
  levelFor,
  mayCommit,
  reportedOf,
} from '@tidemark/control/failover/election';
import type { AckLevel } from '@tidemark/model/table';
import { Remembered } from './intern.ts';
import { broken } from './invariants.ts';
import type { Move } from './move.ts';
import { SITES } from './records.ts';
import type { ElectionState, State, WriterState } from './state.ts';
import { siteNumber, type World } from './world.ts';

export function electionMoves(world: World, s: State, moves: Move[]): void {
  beginMoves(world, s, moves);
  for (const [at, candidate] of s.candidates.entries()) {
    const frozen = world.registers.at(candidate.frozen);
    const election = frozen.election!;
    const who = `candidate ${election.epoch} (${election.site})`;
    for (const site of world.sites) fenceMove(world, s, moves, at, site, who);
    commitMoves(world, s, moves, at, candidate, frozen, who);
  }
}

/** What the register can become by a beginning, by the number of its value. */
const beginnings = new WeakMap<World, Remembered<number, { site: string; epoch: number; register: number }[]>>();

function beginMoves(world: World, s: State, moves: Move[]): void {
  if (!beginnings.has(world)) beginnings.set(world, new Remembered());
  for (const { site, epoch, register } of beginnings
    .get(world)!
    .of(s.register, () => beginningsOf(world, s.register))) {
    const candidates = [...s.candidates, { frozen: register, reports: world.sites.map(() => 0) }];
    moves.push({ words: `candidate ${epoch} begins at ${site}`, next: kept(world, { ...s, register, candidates }) });
  }
}

function beginningsOf(world: World, register: number): { site: string; epoch: number; register: number }[] {
  const value = world.registers.at(register);
  const epoch = value.nextEpoch;
  if (epoch > world.scope.epochs) return [];
  return value.members.flatMap(({ site, state }) => {
    if (state !== 'ACTIVE' && value.terms.length > 0) return [];
    const why = { cause: 'suspicion', reason: '', beganMs: 0, loss: null } as const;
    const change = beginElection(value, '', { version: value.version, site, writerId: `w${epoch}`, ...why });
    return 'refused' in change ? [] : [{ site, epoch, register: world.registerId(change.value) }];
  });
}

/**
 * A candidate that was superseded can only fence, and a fence takes permission away: whatever follows with it follows
 * without it too. So it is left out, unless its commit would go through.
 */
function kept(world: World, s: State): State {
  if (!world.rules.cas) return s;
  const open = world.registers.at(s.register).election?.epoch;
  const candidates = s.candidates.filter(({ frozen }) => world.registers.at(frozen).election?.epoch === open);
  return { ...s, candidates };
}

/** E3: a fence in one partition; with the last of them the report. Then again, when there is something new to tell. */
function fenceMove(world: World, s: State, moves: Move[], at: number, site: number, who: string): void {
  const { frozen, reports } = s.candidates[at]!;
  const value = world.registers.at(frozen);
  const term = newestTerm(value);
  const by = value.election!.epoch;
  const known = reports[site]!;
  const told = (state: State, report: number, words: string): void => {
    if (report === known) return;
    const changed = { frozen, reports: reports.with(site, report) };
    moves.push({ words, next: { ...state, candidates: state.candidates.with(at, changed) } });
  };
  if (term === null) {
    // Before the first term a member only says what its topics are.
    told(s, reportOf(world, s, site, site), `${SITES[site]} reports to ${who}`);
    return;
  }
  const origin = siteNumber(term.site);
  if (!world.rules.after && known === 0) {
    told(s, -reportOf(world, s, site, origin), `${SITES[site]} tells ${who} its heads before it is fenced`);
    return;
  }
  const isUnfenced = (partition: number): boolean => world.copyAt(s, site, origin, partition).logHead.fencedBelow < by;
  const lacking = world.partitions.filter(isUnfenced);
  if (lacking.length === 0) {
    const again = known > 0 ? ' again' : '';
    // Only a loss makes it necessary to ask twice.
    if (known > 0 && s.tails + s.wipes + s.rollbacks === 0) return;
    told(s, known < 0 ? -known : reportOf(world, s, site, origin), `${SITES[site]} reports to ${who}${again}`);
    return;
  }
  const partition = lacking[0]!;
  const topic = world.topicAt(site, origin, partition);
  const fenced = world.appended(s, topic, world.records.fence({ origin, partition }, term.epoch, by));
  const words = `${who} has ${world.nameOf(topic)} fenced`;
  if (lacking.length > 1 || known > 0) moves.push({ words, next: fenced });
  if (lacking.length > 1 && world.rules.whole) return;
  told(fenced, known < 0 ? -known : reportOf(world, fenced, site, origin), `${words}: ${SITES[site]} reports`);
}

const reports = new WeakMap<World, Remembered<string, number>>();

function reportOf(world: World, s: State, site: number, origin: number): number {
  if (!reports.has(world)) reports.set(world, new Remembered());
  const { sites, partitions } = world.scope;
  const topics = s.topics.slice(world.topicAt(site, origin, 0), world.topicAt(site, origin, 0) + partitions);
  const identities = s.identities.slice(site * sites, (site + 1) * sites);
  const vouched = vouchedBy(world, s, site, origin);
  return reports.get(world)!.of(`${site};${origin};${vouched};${identities.join('')};${topics.join(';')}`, () => {
    const report: FenceReport = {
      site: SITES[site]!,
      origin: SITES[origin]!,
      logId: String(world.identityAt(s, site, origin)),
      trusted: true,
      partitions: world.partitions.map((partition) => world.headAt(s, site, origin, partition)),
      logIds: world.logIdsOf(s.identities, site),
      vouched,
    };
    return world.reports.idOf(report) + 1;
  });
}

/** Who vouches for a site's copy of the newest term's origin. */
function vouchedBy(world: World, s: State, site: number, origin: number): string | null {
  const { epoch, fencedBelow, vouched } = s.births[site]!;
  const term = newestTerm(world.registers.at(s.register));
  if (term === null || siteNumber(term.site) !== origin || !world.rules.vouch) return 'itself';
  return epoch === 0 || livedThrough({ epoch, fencedBelow }, term.epoch) ? 'itself' : vouched ? 'the writer' : null;
}

function commitMoves(
  world: World,
  s: State,
  moves: Move[],
  at: number,
  candidate: ElectionState,
  frozen: RegisterValue,
  who: string,
): void {
  const { rules } = world;
  const election = frozen.election!;
  const current = world.registers.at(s.register);
  if (rules.cas && current.election?.epoch !== election.epoch) return;
  const reports = candidate.reports.filter((id) => id > 0).map((id) => world.reports.at(id - 1));
  const k = frozen.ack.k + (rules.quorum ? 0 : 1);
  if (reports.length === 0 || closureOf({ ...frozen, ack: { name: 'sync', k } }, reports).kind !== 'lossless') return;
  const found = epochEndsOf(frozen, reports, world.scope.partitions);
  if ('superseded' in found) return;
  if ('conflict' in found) {
    moves.push({ words: `${who} finds two histories`, next: s, broken: `chain conflict: ${found.conflict}` });
    return;
  }
  const { epochEnds } = found;
  const copies = world.sites.map((site) => world.copiesOf(s, site));
  const led = asLed(frozen, election, copies);
  const holders = holdersOf(led, epochEnds, copies);
  const leader = led.members.filter(
    ({ site }, at) => site === election.site && !isDeepStrictEqual(led.members[at], frozen.members[at]),
  );
  for (const ack of levelsOf(world, led, election, holders)) {
    const base = rules.cas ? current : frozen;
    const commit = {
      epoch: election.epoch,
      writerId: election.writerId,
      epochEnds,
      reported: [...reportedOf(frozen, reports, election.site), ...leader],
      ack,
      nowMs: 0,
    };
    const change = commitElection(base, '', commit);
    if ('refused' in change) continue;
    const register = world.registerId(change.value);
    const origin = siteNumber(election.site);
    const empty = world.partitions.map(() => '');
    const writer: WriterState = { view: world.viewOf(change.value, origin), written: empty, pending: empty };
    const next = {
      ...world.withWriter(s, election.epoch, writer),
      register,
      candidates: s.candidates.toSpliced(at, 1),
    };
    const where =
      epochEnds === null ? '' : `, epoch end ${newestTerm(frozen)!.epoch}:${epochEnds.map(({ seq }) => seq).join(',')}`;
    const level = ack.k === frozen.ack.k ? '' : ` and k = ${ack.k}`;
    const words = `${who} commits${where}${level}`;
    const lost = broken(current, change.value);
    moves.push(lost === null ? { words, next } : { words, next, broken: lost });
  }
}

/** E6: the levels that the candidate may commit to. */
function levelsOf(world: World, frozen: RegisterValue, election: Election, holders: readonly Holder[]): AckLevel[] {
  const { rules, scope } = world;
  // `pull` taken away: any holders do, the candidate among them or not. `hold`: the candidate alone does.
  const leader = rules.pull ? holders.find(({ site }) => site === election.site) : holders.find(({ counts }) => counts);
  const who = { site: leader?.site ?? '' };
  const more = SITES.map((site) => ({ site: `${site} as well`, counts: true }));
  const may = leader === undefined ? [] : rules.hold ? holders : [...holders, ...more];
  if (scope.kMin !== undefined) {
    const level = levelFor(frozen, who, may, { name: 'sync', k: scope.k }, scope.kMin);
    return level === null ? [] : [level];
  }
  const levels = (scope.levels ?? [scope.k]).map((k) => ({ name: 'sync' as const, k }));
  return levels.filter(({ k }) => mayCommit(frozen, who, may, k));
}
