/** What a command's exit code says. Scripts are written against these numbers. */

import { FAULT_MEANINGS, isFault } from '@tidemark/platform/fault';

/** Exit codes by meaning; they do not change between versions. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** Wrong usage: flags, arguments, or what they name. */
  usage: 2,
  /** Refused by a safety rule. */
  refused: 3,
  /** A site did not answer, another one leads by now, or nobody can say whether it was done. */
  unavailable: 4,
  /** A comparison found differences. */
  different: 5,
} as const;

/** One of the numbers in `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The code for anything thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  return isFault(error) ? FAULT_MEANINGS[error.kind].exitCode : EXIT.failed;
}
