/** Time, as a port: the core never asks the machine what time it is, nor waits on its timers. */

/** What time it is, and waiting. */
export interface Clock {
  /** Wall time in ms since 1970, UTC. May jump. Used for stamps and for people. */
  nowMs(): number;
  /** Time since some fixed moment, in ms with fractions; never goes back. Used for every interval and deadline. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
