/**
 * What ending the newest term with a loss costs, asked before an operator accepts it and once more before the commit
 * (protocol E5, E11): everything that answers is looked at, and this site's copy is counted.
 */

import type { Heard, LossRule } from '@tidemark/control/consensus/loss-rule';
import { type EpochEndAt, newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { chosenLoss, farthest, type LossChoices } from '@tidemark/control/failover/loss';
import { receivedSeqs } from '@tidemark/control/failover/move-rules';
import type { Log } from '@tidemark/log/log';
import { type Keyspace, topicNames } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import type { Timing } from '@tidemark/platform/timing';
import { countLoss, epochEndsAt, type LossPlace, type LossyEnd } from './lossy-ends.ts';
import type { Members } from './members.ts';

type LossParts = {
  readonly site: string;
  readonly keyspace: Keyspace;
  readonly members: Members;
  /** This site's own. */
  readonly log: Log;
  readonly timing: Pick<Timing, 'lossCountedMax'>;
  /** What was last heard here of the primary of the newest term; null: nothing. */
  readonly heard: (value: RegisterValue) => Heard | null;
};

/**
 * What may be lost at most if the term were ended here now. Nothing is changed by it.
 * @throws {Fault} `unavailable`: this site's copies do not answer, or nobody has written yet. As `Log.read`.
 */
export async function lossNow(parts: LossParts, value: RegisterValue, heard: Heard | null): Promise<LossChoices> {
  const { keyspace, members } = parts;
  if (newestTerm(value) === null)
    throw new Fault('unavailable', `nobody has written ${keyspace.name} yet: there is nothing to lose`);
  const copies = await members.holdings(
    value.members.map(({ site }) => site),
    () => false,
  );
  const received = receivedSeqs(value, copies, keyspace.partitions).map((seq) => ({ seq, chain: '' }));
  const place = await placeHere(parts, value);
  const count = await countLoss(place, received, joined(heard, parts.heard(value)));
  return { received: count.received, consistent: count.consistent };
}

/**
 * Where the term is cut; this site has been filled up to what was received.
 * @throws {Fault} as `lossNow`
 */
export async function lossyEnd(
  parts: LossParts,
  value: RegisterValue,
  received: readonly EpochEndAt[],
  rule: LossRule,
): Promise<LossyEnd> {
  const place = await placeHere(parts, value);
  const count = await countLoss(place, received, joined(rule.heard, parts.heard(value)));
  const consistent = count.consistentSeqs === null ? null : await epochEndsAt(place, count.consistentSeqs);
  const choices = { received: count.received, consistent: consistent === null ? null : count.consistent };
  const chosen = chosenLoss(choices, rule);
  if (chosen === null) return { tooMuch: choices };
  return { ...chosen, epochEnds: chosen.mode === 'consistent' ? consistent! : received };
}

/** What another site heard may be newer in one partition; what may be unheard is as it was told to the operator. */
function joined(told: Heard | null, own: Heard | null): Heard | null {
  if (told === null || own === null) return told ?? own;
  return { ...farthest([told, own]), unheardRows: told.unheardRows };
}

async function placeHere(
  { site, keyspace, members, log, timing }: LossParts,
  value: RegisterValue,
): Promise<LossPlace> {
  const term = newestTerm(value)!;
  const own = await members.copies(site);
  const copy = own?.copies.find(({ origin }) => origin === term.site);
  if (copy === undefined) throw new Fault('unavailable', `${site} does not say what it holds of ${term.site}`);
  const held = copy.positions.map(([epoch, seq, chain]) =>
    epoch === term.epoch ? { seq, chain } : { seq: -1, chain: '' },
  );
  const topic = term.site === site ? topicNames.log(keyspace.name, site) : topicNames.mirror(keyspace.name, term.site);
  return { log, topic, term, held, countedMax: timing.lossCountedMax };
}
