/**
 * Files, as a port. Paths are relative to the disk's own root and use `/`. A write that has not been synced may be
 * lost or torn by a crash; a rename is atomic, and durable once its folder is synced.
 */

export interface DiskFile {
  readonly path: string;
  /** Appends at the end. @throws {Fault} `unavailable`: disk full (nothing of it counts); anything else ends the process. */
  append(bytes: Uint8Array): Promise<void>;
  /** Returns once everything appended survives a power loss. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A folder of files, read whole or in blocks, appended to and renamed; its refusals are Faults. */
export interface Disk {
  /** Creates the folder and its parents where they do not exist. */
  makeFolder(path: string): Promise<void>;
  /** A new, empty file; one that exists is replaced. The caller syncs and closes it. */
  create(path: string): Promise<DiskFile>;
  /** The whole file. @throws {Fault} `notFound` when there is none. */
  read(path: string): Promise<Uint8Array>;
  /** `length` bytes from `offset`; fewer at the end of the file. */
  readAt(path: string, offset: number, length: number): Promise<Uint8Array>;
  exists(path: string): Promise<boolean>;
  /** Names in a folder, sorted; empty when the folder does not exist. */
  list(path: string): Promise<string[]>;
  /** Atomically replaces `to`. */
  rename(from: string, to: string): Promise<void>;
  /** Makes creations, renames and removals in this folder survive a power loss. */
  syncFolder(path: string): Promise<void>;
  /** Removes a file or a whole folder; one that is not there is no error. */
  remove(path: string): Promise<void>;
  /** Bytes that may still be written, and bytes there are in all, of the medium that the folder is on. */
  room(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /**
   * Takes the folder for this process until the result is disposed or the process ends, however it ends.
   * @throws {Fault} `unavailable` naming the process that has it.
   */
  lock(path: string): Promise<AsyncDisposable>;
}

/** Writes a whole file so that a crash leaves either the old one or the new one. */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.';
  const temporary = `${path}.tmp`;
  const file = await disk.create(temporary);
  try {
    await file.append(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncFolder(folder);
}
