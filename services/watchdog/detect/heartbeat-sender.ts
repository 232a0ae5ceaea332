/** Says twice a second, on the site's own heartbeat store, that this process is alive and what it knows. */

import type { Beat, HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import type { Clock } from '@tidemark/platform/clock';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { type SiteFacts, withoutPositions } from '../facts.ts';

/** Between two heartbeats of a process. */
export const BEAT_EVERY_MS = 500;

type HeartbeatSenderParts = {
  readonly site: string;
  /** Under which the beat stands on the heartbeat store: what this process does there. */
  readonly role: string;
  /** A uuid, and when the process began by its own clock. */
  readonly process: string;
  readonly beganMs: number;
  /** Names its data folder, on its machine. */
  readonly folder: string;
  readonly board: HeartbeatStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly facts: () => SiteFacts;
};

/** Beats until `signal` aborts. A heartbeat store that cannot be reached is tried again with the next beat. */
export async function sendHeartbeatsUntil(parts: HeartbeatSenderParts, signal: AbortSignal): Promise<void> {
  const { site, role, process, beganMs, folder, board, clock, logger, facts } = parts;
  let heard = true;
  for (let nonce = 1; !signal.aborted; nonce++) {
    try {
      await put(board, { site, role, process, nonce, timeMs: clock.nowMs(), facts: { ...facts(), beganMs, folder } });
      if (!heard) logger.info({ board: board.address }, `board ${board.address}: takes heartbeats again`);
      heard = true;
    } catch (error) {
      if (!isFault(error)) throw error;
      if (heard) logger.warn({ reason: messageOf(error) }, `board ${board.address}: does not take heartbeats`);
      heard = false;
    }
    await clock.sleep(BEAT_EVERY_MS, signal);
  }
}

/** With many partitions the positions do not fit on a heartbeat store; the rest does. */
async function put(board: HeartbeatStore, beat: Beat): Promise<void> {
  try {
    await board.beat(beat);
  } catch (error) {
    if (!isFault(error, 'tooLarge')) throw error;
    await board.beat({ ...beat, facts: { ...withoutPositions(beat.facts as SiteFacts) } });
  }
}
