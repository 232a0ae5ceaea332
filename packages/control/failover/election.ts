/**
 * What an election decides, from what the sites answered (protocol E3–E7, E10, E11). Pure: whoever runs one asks the
 * sites, calls these, and does what they say. Nothing here knows of time or of a network.
 *
 * Why it holds: an ack needs k + 1 unfenced copies, the origin always among them. A closure fences the origin's own log,
 * or all data members but k. The two sets meet in a copy, and in each of its partitions the record and the fence stand
 * in one order, whoever asked first: so a record that is acked is in front of the fence that is read back, and in the epoch end.
 */

import { type AckLevel, ackOf } from '@tidemark/model/table';
import { FOUND_WRITER } from '../consensus/founding.ts';
import {
  type Cause,
  type Election,
  type EpochEndAt,
  type Member,
  memberNamed,
  newestTerm,
  type RegisterValue,
  type Term,
} from '../consensus/register-value.ts';
import { isHearsay } from '../consensus/vouching.ts';
import type { SiteCopies } from './site-copies.ts';

/** The last accepted record of a partition of a copy: `epoch` 0 and `seq` −1 before the first. */
export type CopyHead = { readonly epoch: number; readonly seq: number; readonly chain: string };

/** E3: what a site found in its copy of the closing term's origin, read after its own FENCE was read back there. */
export type FenceReport = {
  readonly site: string;
  readonly origin: string;
  /** Identity of that copy. */
  readonly logId: string;
  /** False when the site knows the copy to have lost something, or cannot tell. */
  readonly trusted: boolean;
  /** By partition. */
  readonly partitions: readonly CopyHead[];
  /** Origin → identity, of all the site's copies: what the register lists from the commit on. */
  readonly logIds: Readonly<Record<string, string>>;
  /** Who vouches that the copy holds all it ever promised of that term; null: nobody can (`vouching.ts`). */
  readonly vouched: string | null;
};

/** Whether the answers so far close the term, and if not, what is missing (protocol E4; with a loss E11). */
export type Closure =
  /**
   * Every record that may have been acked is in the answers. `first`: there is no term to close. `all`: every member
   * answered, and enough of them would close the term were they vouched for; nothing more can be learned by waiting.
   * `isHearsay`: some of those it takes are vouched for by what others had last heard of them, and who has not answered may
   * hold what was acked after that.
   */
  | { readonly kind: 'lossless'; readonly by: 'first' | 'origin' | 'quorum' | 'all'; readonly isHearsay: boolean }
  /** Acked records may be missing; an operator allowed it. Only for when the other members have had their time. */
  | { readonly kind: 'lossy'; readonly have: number; readonly need: number; readonly missing: readonly string[] }
  /** `have` trusted members are fenced of `need`; `missing` are the members whose word would count further. */
  | { readonly kind: 'wait'; readonly have: number; readonly need: number; readonly missing: readonly string[] };

/**
 * E4: whether the newest term is closed by these answers. Losslessly iff the origin's own trusted log is fenced, or at
 * least |data members| − k trusted ACTIVE members are; members in RECOVERING count in the first number only. With k = 0
 * (`local`) that is the origin alone. k is the newest term's own.
 *
 * A copy that nobody vouches for may have been put back to an older state. It closes nothing where another site may
 * hold what was acked, until every member has answered: then the longest of all copies is all there is. One that somebody
 * vouches for by memory alone (`isHearsay`) closes it, so that a site that is away keeps no writer from starting again; but
 * the others get some time to answer, and the decision says what cannot be known.
 */
export function closureOf(value: RegisterValue, reports: readonly FenceReport[]): Closure {
  const term = newestTerm(value);
  if (term === null) return { kind: 'lossless', by: 'first', isHearsay: false };
  const trusted = reports.filter((report) => isTrusted(value, term, report) && !isOutdone(term, report, reports));
  const { k } = value.ack;
  const need = value.members.length - k;
  const closes = (sites: ReadonlySet<string>): 'origin' | 'quorum' | null =>
    sites.has(term.site) ? 'origin' : k > 0 && sites.size >= need ? 'quorum' : null;
  // Who wrote a term that was found in the logs, and what it acked, nobody remembers.
  const isFound = term.writerId === FOUND_WRITER;
  const vouched = trusted.filter((report) => !isFound && (k === 0 || report.vouched !== null));
  const answered = sitesOf(reports.filter(({ origin }) => origin === term.site));
  const haveAll = value.members.every(({ site }) => answered.has(site));
  const proved = closes(sitesOf(vouched.filter((report) => k === 0 || haveAll || !isHearsay(report.vouched))));
  const by = proved ?? closes(sitesOf(vouched));
  if (by !== null) return { kind: 'lossless', by, isHearsay: proved === null };
  if (haveAll && closes(sitesOf(trusted)) !== null) return { kind: 'lossless', by: 'all', isHearsay: false };
  const missing = value.members.map((member) => member.site).filter((site) => !sitesOf(vouched).has(site));
  const kind = (value.election?.loss ?? null) === null ? 'wait' : 'lossy';
  return { kind, have: sitesOf(vouched).size, need, missing };
}

function sitesOf(reports: readonly FenceReport[]): ReadonlySet<string> {
  return new Set(reports.map(({ site }) => site));
}

/** E3: an ACTIVE member's copy, whole as far as the site knows, and the very topic the register lists. */
function isTrusted(value: RegisterValue, term: Term, report: FenceReport): boolean {
  if (report.origin !== term.site || !report.trusted) return false;
  return isListed(memberNamed(value, report.site), report.origin, report.logId);
}

/** Copies are made from the origin's own log: where one goes further, that log has lost something. */
function isOutdone(term: Term, own: FenceReport, reports: readonly FenceReport[]): boolean {
  if (own.site !== term.site) return false;
  return reports.some(
    ({ origin, partitions }) =>
      origin === term.site && partitions.some((head, p) => head.seq >= 0 && isAhead(head, own.partitions[p])),
  );
}

function isAhead(head: CopyHead, own: CopyHead | undefined): boolean {
  return own === undefined || head.epoch > own.epoch || (head.epoch === own.epoch && head.seq > own.seq);
}

/** Who answered, and nobody vouches for. */
export function unvouched(reports: readonly FenceReport[]): readonly string[] {
  return reports.filter((report) => report.vouched === null).map(({ site }) => site);
}

/**
 * Whose word may be another one by now: who was not vouched for yet, and an origin whose log was outdone, as what its
 * writer appended behind the fence may have been copied since.
 */
export function askedAgain(value: RegisterValue, reports: readonly FenceReport[]): readonly string[] {
  const term = newestTerm(value);
  if (term === null) return [];
  const outdone = reports.filter((report) => isOutdone(term, report, reports)).map(({ site }) => site);
  return [...new Set([...unvouched(reports), ...outdone])];
}

function isListed(member: Member | null, origin: string, logId: string): boolean {
  return member?.state === 'ACTIVE' && logId !== '' && member.logIds[origin] === logId;
}

/**
 * Why a site should not stand while others write: a copy of a term that E6 asks for is another topic than the register
 * lists, and is not known to hold what that term left. It has to be filled first, and nobody would write meanwhile. A copy
 * that cannot tell what it is yet may still be the one.
 */
export function unfitnessToStand(value: RegisterValue, own: SiteCopies): string | null {
  const listed = memberNamed(value, own.site)?.logIds ?? {};
  // Where a term that goes on is to end is not known.
  const holds = (term: Term): boolean => term.epochEnds !== null && holdsTerm(asTold(own), own, term, term.epochEnds);
  const other = own.copies.find(
    ({ origin, logId }) =>
      logId !== '' && logId !== listed[origin] && value.terms.some((term) => term.site === origin && !holds(term)),
  );
  if (other === undefined) return null;
  return `${own.site} holds log ${other.logId} of ${other.origin}, and the register lists ${listed[other.origin] ?? 'none'}: it lost something`;
}

/** So long an election is open before one takes it over that has to be filled first: whoever is whole has had its time. */
const UNFIT_MS = 25_000;

/**
 * Whether a site that should not stand while others write (`unfitnessToStand`) does: a primary asks that writes no more, or
 * no whole member has ended an election in its time.
 *
 * @param campaign `openMs`: how long an election has been open by then; absent where none is
 */
export function mayStandUnfit({ cause, openMs }: { readonly cause: Cause; readonly openMs?: number }): boolean {
  return openMs === undefined ? cause === 'takeover' : openMs > UNFIT_MS;
}

type EpochEndsAt =
  /** By partition. Null: there is no term to close. */
  | { readonly epochEnds: readonly EpochEndAt[] | null }
  /** Two records under one position: an invariant is broken. Stop, alarm, change nothing. */
  | { readonly conflict: string }
  /** A copy is in a later epoch than the register as it was read: another candidate has won meanwhile. */
  | { readonly superseded: string };

/** Nothing of the term is in the partition. */
const NO_END: EpochEndAt = { seq: -1, chain: '' };

/**
 * E5: the longest head of the closing term in each partition, of all answers: a copy that is not trusted may lack
 * records, but those it has are the origin's. A copy that stands in an earlier epoch has none of this one.
 */
export function epochEndsOf(value: RegisterValue, reports: readonly FenceReport[], partitions: number): EpochEndsAt {
  const term = newestTerm(value);
  if (term === null) return { epochEnds: null };
  const epochEnds = new Array<EpochEndAt>(partitions).fill(NO_END);
  const seen = new Map<string, { chain: string; site: string }>();
  for (const { site, origin, partitions: heads } of reports) {
    if (origin !== term.site) continue;
    for (const [partition, { epoch, seq, chain }] of heads.entries()) {
      const where = `partition ${partition}, epoch ${epoch} of ${origin}`;
      if (epoch > term.epoch) return { superseded: `${where}: begun at ${site}, term ${term.epoch} is to be closed` };
      if (epoch < term.epoch || seq < 0 || partition >= partitions) continue;
      const known = seen.get(`${partition}:${seq}`);
      if (known !== undefined && known.chain !== chain) {
        return { conflict: `${where}, seq ${seq}: chain ${chain} at ${site}, ${known.chain} at ${known.site}` };
      }
      seen.set(`${partition}:${seq}`, { chain, site });
      if (seq > epochEnds[partition]!.seq) epochEnds[partition] = { seq, chain };
    }
  }
  return { epochEnds };
}

/**
 * The members that the commit changes. A first term takes all that answered as they are; later, an ACTIVE one whose
 * topic is not the one the register lists, or that does not trust it, is in RECOVERING until it is readmitted (rule 22).
 * The candidate is not: E6 has counted it since, be it that it could not tell yet what its copy is when it was fenced. In
 * RECOVERING it would lead, and stand no more.
 */
export function reportedOf(
  value: RegisterValue,
  reports: readonly FenceReport[],
  candidate: string,
): readonly Member[] {
  const term = newestTerm(value);
  return reports.flatMap((report): readonly Member[] => {
    const member = memberNamed(value, report.site);
    if (member === null) return [];
    if (term === null) return [{ site: report.site, state: 'ACTIVE', logIds: report.logIds }];
    if (member.state !== 'ACTIVE' || report.origin !== term.site || isTrusted(value, term, report)) return [];
    if (report.site === candidate) return [];
    return [{ ...member, state: 'RECOVERING' }];
  });
}

/** A member whose copies hold all that was promised. `counts`: ACTIVE, by the topics the register lists. */
export type Holder = { readonly site: string; readonly counts: boolean };

/**
 * E6: the members whose copies hold everything up to this epoch end and up to every earlier one that the register still names,
 * in its order. A copy in a later epoch of an origin holds that origin's earlier ones: it takes the start of an epoch
 * only where the one before has ended.
 *
 * Who is in RECOVERING is among them. What it said before it lost something is worth nothing, and no term is closed by its
 * word; but what it holds now it holds as well as anybody, chain by chain to the epoch end, and were it not counted, a member
 * of a keyspace that needs all of them would keep every new epoch from beginning, and so itself from being readmitted.
 */
export function holdersOf(
  value: RegisterValue,
  epochEnds: readonly EpochEndAt[] | null,
  copies: readonly SiteCopies[],
): readonly Holder[] {
  return value.members.flatMap((member): readonly Holder[] => {
    const own = copies.find((answer) => answer.site === member.site);
    if (own === undefined) return [];
    const holds = (as: Member): boolean =>
      value.terms.every((term) => holdsTerm(as, own, term, term.epochEnds ?? epochEnds ?? []));
    return holds(asTold(own)) ? [{ site: member.site, counts: member.state === 'ACTIVE' && holds(member) }] : [];
  });
}

/**
 * The register as it is to be once the candidate leads: what it has now is listed with the commit. By which topic it holds
 * an epoch does not matter, as every end is known by then, chain by chain, and what a topic promised of it is not asked for
 * again. Else a primary that lost a copy of a former term while no other member counts, or a member that lost one while
 * the primary may not write, could never lead, and nobody could let it in.
 *
 * One in RECOVERING is left as it is, unless an operator accepted a loss: were only a whole member to lead then, a keyspace
 * whose members have all lost something could never be written again.
 *
 * What E6 asks it to hold it has to hold all the same, chain by chain; and one that cannot tell yet what it is waits.
 */
export function asLed(
  value: RegisterValue,
  { site, loss }: Pick<Election, 'site' | 'loss'>,
  copies: readonly SiteCopies[],
): RegisterValue {
  const own = copies.find((answer) => answer.site === site);
  if (own === undefined || own.copies.some(({ logId }) => logId === '')) return value;
  const leads = (member: Member): boolean => member.site === site && (loss !== null || member.state === 'ACTIVE');
  return { ...value, members: value.members.map((member) => (leads(member) ? asTold(own) : member)) };
}

/** A site as its own answer has it. */
function asTold({ site, copies }: SiteCopies): Member {
  return { site, state: 'ACTIVE', logIds: Object.fromEntries(copies.map(({ origin, logId }) => [origin, logId])) };
}

function holdsTerm(member: Member, own: SiteCopies, { site, epoch }: Term, epochEnds: readonly EpochEndAt[]): boolean {
  if (epochEnds.every((epochEnd) => epochEnd.seq < 0)) return true;
  const copy = own.copies.find(({ origin }) => origin === site);
  if (copy === undefined || !copy.trusted || !isListed(member, site, copy.logId)) return false;
  return reachesEnds(epoch, epochEnds, copy.positions);
}

/**
 * Whether a copy holds an epoch of its origin up to the epoch end in every partition: the gate of `durable` (rule 12), and
 * what E6 and rule 22 ask of each earlier term.
 *
 * @param positions by partition: epoch, seq and chain of the last accepted record
 */
export function reachesEnds(
  epoch: number,
  epochEnds: readonly EpochEndAt[],
  positions: readonly (readonly [number, number, string])[],
): boolean {
  return epochEnds.every((epochEnd, partition) => {
    if (epochEnd.seq < 0) return true;
    const [atEpoch, seq, chain] = positions[partition] ?? [0, -1, ''];
    if (atEpoch !== epoch) return atEpoch > epoch;
    return seq > epochEnd.seq || (seq === epochEnd.seq && chain === epochEnd.chain);
  });
}

/**
 * Rule 22: whether a member that lost something is level again, so that the newest term's writer may let it count: its
 * copies hold every closed epoch end, and of the newest term everything that was committed when the writer had stopped
 * counting what the member said before. Whether the digests match is asked elsewhere.
 *
 * @param committed by partition: how far the newest term is committed
 */
export function isLevel(value: RegisterValue, own: SiteCopies, committed: readonly EpochEndAt[]): boolean {
  const member = asTold(own);
  return value.terms.every((term) => holdsTerm(member, own, term, term.epochEnds ?? committed));
}

/** E6: whether the candidate, who counts, and `k` others are among the holders. The first term has nothing to hold. */
export function mayCommit(
  value: RegisterValue,
  election: Pick<Election, 'site'>,
  holders: readonly Holder[],
  k = value.ack.k,
): boolean {
  if (newestTerm(value) === null) return true;
  const leads = holders.some(({ site, counts }) => site === election.site && counts);
  return leads && new Set(holders.map(({ site }) => site)).size > k;
}

/**
 * The level the new term acks at: the keyspace's own, or the highest below it, down to `kMin`, for which there are
 * holders enough (E6, `degradeTo`); null: not yet. `kMin` is the keyspace's own k where it allows no less.
 */
export function levelFor(
  value: RegisterValue,
  election: Pick<Election, 'site'>,
  holders: readonly Holder[],
  wanted: AckLevel,
  kMin = wanted.k,
): AckLevel | null {
  for (let k = wanted.k; k >= kMin; k--) if (mayCommit(value, election, holders, k)) return ackOf(k);
  return null;
}

/**
 * Which member is to be nominated (E10): the ACTIVE data member whose answer shows the most, whole earlier terms first,
 * then records of the newest; of equals the one the register lists first. Never `lost`, a witness, or who did not answer.
 *
 * @param lost the site that is taken for lost; null when only its writer is, and then that site is as good as any
 */
export function candidateFor(value: RegisterValue, copies: readonly SiteCopies[], lost: string | null): string | null {
  const fit = value.members.filter(
    ({ site, state }) => state === 'ACTIVE' && site !== lost && copies.some((answer) => answer.site === site),
  );
  const reached = fit.map((member) => {
    const own = copies.find((answer) => answer.site === member.site)!;
    return { site: member.site, ...reachOf(value, member, own) };
  });
  reached.sort((a, b) => b.terms - a.terms || b.records - a.records);
  return reached[0]?.site ?? null;
}

/** How many closed terms the copies hold whole, and how many records of the newest. */
function reachOf(value: RegisterValue, member: Member, own: SiteCopies): { terms: number; records: number } {
  const terms = value.terms.filter((term) => term.epochEnds !== null && holdsTerm(member, own, term, term.epochEnds));
  const newest = newestTerm(value);
  const copy = own.copies.find(({ origin }) => origin === newest?.site);
  const counts = copy?.trusted && isListed(member, copy.origin, copy.logId);
  const heads = counts ? copy.positions.filter(([epoch]) => epoch === newest?.epoch) : [];
  return { terms: terms.length, records: heads.reduce((sum, [, seq]) => sum + seq + 1, 0) };
}
