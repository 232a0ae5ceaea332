/**
 * A site's heartbeat store: its processes write heartbeats on it and anyone may read them. It informs and never grants
 * anything: it forgets, it may restart empty, and what it shows may be old. Who is alive is judged by `freshness.ts`.
 */

import { Fault } from '@tidemark/platform/fault';
import { z } from 'zod';

/** One heartbeat of one process in one role; the next one replaces it. */
export type Beat = {
  readonly site: string;
  readonly role: string;
  /** A uuid, new with every start of the process. */
  readonly process: string;
  /** Changes with each beat. */
  readonly nonce: number;
  /** The beater's own wall time, for people to read; never compared with another machine's. */
  readonly timeMs: number;
  /** JSON: epoch, heads, barrier stamp, loopLagMs, url and so on. */
  readonly facts: Readonly<Record<string, unknown>>;
};

/** One site's heartbeat store: the newest beat of each process in each role, for anyone to read. */
export interface HeartbeatStore extends AsyncDisposable {
  /** Where it is, without secrets. */
  readonly address: string;
  /**
   * Puts the beat in place of this process's earlier one in this role.
   *
   * @throws {Fault} `unavailable`: the heartbeat store could not be reached in time; the beat may still appear later.
   * @throws {Fault} `invalid`: a name the heartbeat store cannot hold, or too many facts.
   */
  beat(beat: Beat): Promise<void>;
  /**
   * Every beat on the heartbeat store, by role and process. One that is absent means unknown, not dead; one that is there may be
   * minutes old.
   *
   * @throws {Fault} `unavailable`: the heartbeat store could not be reached in time, so nothing is known.
   */
  beats(): Promise<Beat[]>;
}

/** A beat in bytes is at most this long. */
export const BEAT_BYTES_MAX = 64 * 1024;

/** A beat that was not renewed for this long may be forgotten by the heartbeat store. */
export const BEAT_KEPT_MS = 300_000;

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

const name = z.string().regex(NAME);
const BEAT = z.object({
  site: name,
  role: name,
  process: name,
  nonce: z.number(),
  timeMs: z.number(),
  facts: z.record(z.string(), z.unknown()),
});

/**
 * A beat as the heartbeat store keeps it.
 * @throws {Fault} `invalid`: a name it cannot hold. `tooLarge`: more than `BEAT_BYTES_MAX`.
 */
export function encodeBeat(beat: Beat): string {
  for (const field of ['site', 'role', 'process'] as const)
    if (!NAME.test(beat[field]))
      throw new Fault('invalid', `beat: ${field} is ${JSON.stringify(beat[field])}, expected letters, digits, _ or -`, {
        got: beat[field],
        expected: NAME.source,
      });
  const text = JSON.stringify(beat);
  const bytes = Buffer.byteLength(text);
  if (bytes > BEAT_BYTES_MAX)
    throw new Fault('tooLarge', `beat of ${beat.role} at ${beat.site}: ${bytes} bytes, at most ${BEAT_BYTES_MAX}`, {
      got: bytes,
      expected: BEAT_BYTES_MAX,
    });
  return text;
}

/** The beat in a text, or null when it is none: a heartbeat store may hold what others wrote. */
export function decodeBeat(text: string): Beat | null {
  try {
    return BEAT.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** The order in which `HeartbeatStore.beats` gives them. */
export function byRoleAndProcess(one: Beat, other: Beat): number {
  return compare(one.role, other.role) || compare(one.process, other.process);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
