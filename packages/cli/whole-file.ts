/** A file that is there whole, or not at all. */

import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { Fault, messageOf } from '@tidemark/world/fault';

/**
 * Writes beside the place, and puts the file there once it is through and on the disk.
 * @throws {Fault} `invalid`: it cannot be written there. What `write` throws.
 */
export async function writeWhole<T>(path: string, write: (file: FileHandle) => Promise<T>): Promise<T> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w').catch((error: unknown) => {
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
