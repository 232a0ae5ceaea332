/** Files and folders that cannot be what a command was told they are: whoever typed it can mend that, so it is misuse. */

import { Fault, isFault, messageOf } from '@tidemark/platform/fault';

/** By the system's error code: what is wrong, and what helps. */
const CODES: Readonly<Record<string, string>> = {
  EACCES: 'this user may not: give it the right, or name another place',
  EPERM: 'this user may not: give it the right, or name another place',
  EROFS: 'it is mounted read-only: name another place, or mount it writable',
  ENOTDIR: 'a part of the path is no folder',
  EISDIR: 'it is a folder, expected a file',
  EEXIST: 'it is there already and is no folder',
  ELOOP: 'its links lead round in a circle',
  ENAMETOOLONG: 'the name is too long',
};

/** SQLite's own codes, where the file system's is not told. */
const SQLITE: Readonly<Record<number, string>> = {
  8: 'it cannot be written: give this user the right, or name another place',
  14: 'it cannot be opened as a file here: look at its owner, its mount, and whether it is a folder',
};

type SystemError = { readonly code?: string; readonly errcode?: number; readonly syscall?: string; cause?: unknown };

/** The error as a Fault of kind `invalid`, when it is one of these; null when it is not. */
export function misuseOf(error: unknown): Fault | null {
  if (isFault(error) && error.kind !== 'unavailable' && error.kind !== 'unknown') return null;
  for (let at = error, depth = 0; typeof at === 'object' && at !== null && depth < 8; depth++) {
    const { code, errcode, syscall, cause } = at as SystemError;
    if (syscall === 'uv_cwd')
      return new Fault('invalid', 'the working folder is gone: change to one that is there', { cause: error });
    const why = CODES[code ?? ''] ?? SQLITE[(errcode ?? 0) & 0xff];
    if (why !== undefined && !isNetwork(syscall))
      return new Fault('invalid', `${messageOf(error)}: ${why}`, { cause: error });
    at = cause;
  }
  return null;
}

/** A port that may not be listened on is another matter. */
function isNetwork(syscall: string | undefined): boolean {
  return ['listen', 'bind', 'connect'].includes(syscall ?? '');
}
