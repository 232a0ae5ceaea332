/**
 * Looks, before a process does anything for its site, whether another one does so already. Two of them on one log fence
 * each other for ever, and each takes what the other wrote for a loss. The folder's lock keeps a second one from the same
 * folder; one with another folder is told by the site's heartbeat store. A heartbeat store that cannot be read tells nothing.
 */

import type { Beat, HeartbeatStore } from '@tidemark/control/heartbeats/heartbeat-store';
import type { Clock } from '@tidemark/platform/clock';
import { isFault } from '@tidemark/platform/fault';
import { alreadyRun } from '@tidemark/watchdog/detect/already-run';

const LOOK_MS = 250;
/** A process that lives beats twice a second; so long without one, and what lies on the heartbeat store is of one that is gone. */
const SILENT_MS = 1_300;
const LOOKED_MS_MAX = 3_000;
/** So many new beats come from a process that lives: one may have been late. */
const CHANGES = 2;

type OneProcessParts = {
  readonly site: string;
  readonly roles: readonly string[];
  /** Names this folder, on this machine: whoever beat from here is gone, as the folder's lock is this process's now. */
  readonly folder: string;
  readonly board: HeartbeatStore;
  readonly clock: Clock;
};

/** Returns at once unless the heartbeat store shows another one. @throws {Fault} `unavailable`: it lives; names where it is. */
export async function refuseSecond(parts: OneProcessParts): Promise<void> {
  const { site, clock } = parts;
  const beganMs = clock.monotonicMs();
  const changes = new Map<string, { nonce: number; count: number; atMs: number }>();
  for (;;) {
    const nowMs = clock.monotonicMs();
    const others = await othersOf(parts);
    for (const beat of others) {
      const known = changes.get(beat.process);
      const isNew = known !== undefined && known.nonce !== beat.nonce;
      const count = (known?.count ?? 0) + (isNew ? 1 : 0);
      if (count >= CHANGES) throw alreadyRun(site, beat);
      const atMs = known === undefined || isNew ? nowMs : known.atMs;
      changes.set(beat.process, { nonce: beat.nonce, count, atMs });
    }
    const isQuiet = others.every(({ process }) => nowMs - changes.get(process)!.atMs > SILENT_MS);
    if (isQuiet || nowMs - beganMs > LOOKED_MS_MAX) return;
    await clock.sleep(LOOK_MS);
  }
}

/** Beats of other folders for some of the same. */
async function othersOf({ site, roles, folder, board }: OneProcessParts): Promise<Beat[]> {
  try {
    const beats = await board.beats();
    return beats.filter(({ site: of, facts }) => {
      const others = Array.isArray(facts.roles) ? (facts.roles as unknown[]) : [];
      return of === site && facts.folder !== folder && roles.some((role) => others.includes(role));
    });
  } catch (error) {
    if (isFault(error)) return [];
    throw error;
  }
}
