/**
 * Has a term's settings stand in the register as the keyspace file has them (protocol rule 23): a level that an election
 * had to lower is raised again as soon as sites enough hold what was acked, and what operators changed is taken over.
 */

import type { Register } from '@tidemark/control/consensus/register';
import { setTermSettings, type TermSettings } from '@tidemark/control/consensus/register-changes';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import { formatAck } from '@tidemark/model/table';
import type { Clock } from '@tidemark/platform/clock';
import { isFault } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import type { Writer } from '../writer.ts';

const AGAIN_MS = 500;
const LOOK_MS = 20;
/** So long acks may wait for the raised level before it is put off. */
const RAISE_MS = 3_000;

type TermSettingsParts = {
  readonly writer: Writer;
  readonly register: Register;
  /** The newest value known here to be chosen; null before it was read. */
  readonly current: () => RegisterValue | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told when acks come by the keyspace's own level again. */
  readonly onRaised: () => Promise<void>;
};

/**
 * What is to be changed in the register; null: nothing, or nothing yet. Pure.
 * @param isFollowed sites enough for the wanted level come after what is acked
 */
export function wantedSettings(value: RegisterValue, wanted: TermSettings, isFollowed: boolean): TermSettings | null {
  const ack = isFollowed && wanted.ack.k > value.ack.k ? wanted.ack : value.ack;
  const isSame = ack === value.ack && wanted.failover === value.failover && wanted.degradeTo === value.degradeTo;
  return isSame ? null : { failover: wanted.failover, degradeTo: wanted.degradeTo, ack };
}

/** Runs until the writer ends. */
export async function keepTermSettings(parts: TermSettingsParts): Promise<void> {
  const { writer, current, clock } = parts;
  const { commits, appenders } = writer;
  let acked: readonly number[] = [-1];
  while (!writer.signal.aborted) {
    await clock.sleep(AGAIN_MS, writer.signal);
    const { k } = writer.keyspace.ack;
    // Acks must not wait for a site that is gone: whoever has by now what was acked a look ago is not.
    const isFollowed = acked.every((seq, partition) => seq >= 0 && commits.committed(partition, k) >= seq);
    acked = appenders.map((_, partition) => commits.committed(partition));
    const value = current();
    if (writer.signal.aborted || value === null) continue;
    if (value.election !== null || value.terms.at(-1)?.writerId !== writer.writerId) continue;
    const settings = wantedSettings(value, writer.keyspace, isFollowed);
    if (settings !== null) await change(parts, value, settings);
  }
}

/**
 * Whether all that was acked is held by `k` other sites too. From before it is looked until the change is known to be
 * made, no ack comes by the lower level alone; where it is put off, they do again.
 */
async function holdsAt(k: number, { commits, signal }: Writer, clock: Clock): Promise<boolean> {
  const before = commits.k;
  if (k > before) commits.setK(k);
  const untilMs = clock.monotonicMs() + RAISE_MS;
  while (!commits.holdsAcked && clock.monotonicMs() < untilMs && !signal.aborted) await clock.sleep(LOOK_MS, signal);
  if (commits.holdsAcked) return true;
  if (before < k) commits.setK(before);
  return false;
}

async function change(
  { writer, register, clock, logger, onRaised }: TermSettingsParts,
  value: RegisterValue,
  settings: TermSettings,
): Promise<void> {
  const { epoch, writerId, signal } = writer;
  const { keyspace } = value;
  const isRaised = settings.ack.k > value.ack.k;
  if (isRaised && !(await holdsAt(settings.ack.k, writer, clock))) return;
  for (let told = false; !signal.aborted; told = true) {
    try {
      const changed = await register.change(
        (now, id) => setTermSettings(now, id, { epoch, writerId }, settings),
        signal,
      );
      // Refused: another term is about to begin. An earlier try may have been chosen, so the higher level stays.
      if ('refused' in changed || !isRaised) return;
      logger.warn({ keyspace, epoch }, `keyspace ${keyspace}: acks by ${formatAck(settings.ack)} again`);
      writer.level = settings.ack;
      return await onRaised();
    } catch (error) {
      if (!isFault(error)) throw error;
      if (!told)
        logger.warn({ keyspace, error: error.message }, `keyspace ${keyspace}: its settings wait for the register`);
      await clock.sleep(AGAIN_MS, signal);
    }
  }
}
