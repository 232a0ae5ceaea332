/** A file that is there whole, or not at all. */

import { randomBytes } from 'node:crypto';
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { Fault, messageOf } from '@tidemark/platform/fault';

/**
 * Writes beside the place, and puts the file there once it is through and on the disk.
 * @throws {Fault} `invalid`: it cannot be written there. What `write` throws.
 */
export async function writeWhole<T>(path: string, write: (file: FileHandle) => Promise<T>): Promise<T> {
  await refuseOthers(path);
  // A name of its own, which nobody has: what is there under another one is not ours to write over.
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx').catch((error: unknown) => {
    throw new Fault('invalid', `cannot write ${path}: ${messageOf(error)}`, { got: path, cause: error });
  });
  try {
    const written = await write(file);
    await file.sync();
    await file.close();
    await rename(temporary, path);
    return written;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A file may take another file's place, and nothing else's: a device or a link would be gone. */
async function refuseOthers(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null || found.isFile()) return;
  const what = found.isDirectory() ? 'a folder' : found.isSymbolicLink() ? 'a symbolic link' : 'no regular file';
  throw new Fault('invalid', `cannot write ${path}: it is ${what}, expected a file or nothing there`, {
    got: what,
    expected: 'a file or nothing',
  });
}
