/** Files on the machine's own file system. The one file that imports node:fs for the product's data. */

import { constants } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Disk, DiskFile } from './disk.ts';
import { Fault, messageOf } from './fault.ts';
import { ReadHandles } from './read-handles.ts';

const SQLITE_BUSY = 5;
const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** This process, or the machine, has as many files and sockets open as it may. */
const TOO_MANY = new Set(['EMFILE', 'ENFILE']);

/** The folder `root` of the machine's file system; refusals of the system become Faults. */
export class NodeDisk implements Disk {
  readonly root: string;
  readonly #handles = new ReadHandles();

  constructor(root: string) {
    this.root = root;
  }

  async makeFolder(path: string): Promise<void> {
    await mkdir(join(this.root, path), { recursive: true }).catch(refusal(path));
  }

  async create(path: string): Promise<DiskFile> {
    this.#handles.forget(join(this.root, path));
    const handle = await open(join(this.root, path), 'w').catch(refusal(path));
    return {
      path,
      append: async (bytes) => {
        for (let at = 0; at < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, at).catch(refusal(path));
          at += bytesWritten;
        }
      },
      sync: () => handle.datasync().catch(refusal(path)),
      close: () => handle.close(),
    };
  }

  async read(path: string): Promise<Uint8Array> {
    return readFile(join(this.root, path)).catch(refusal(path));
  }

  async readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#handles.read(join(this.root, path), offset, length).catch(refusal(path));
  }

  async exists(path: string): Promise<boolean> {
    return access(join(this.root, path), constants.F_OK).then(
      () => true,
      () => false,
    );
  }

  async list(path: string): Promise<string[]> {
    const names = await readdir(join(this.root, path)).catch((error: NodeJS.ErrnoException) => {
      return error.code === 'ENOENT' ? [] : refusal(path)(error);
    });
    return names.sort();
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(join(this.root, from), join(this.root, to)).catch(refusal(to));
    this.#handles.forget(join(this.root, from));
    this.#handles.forget(join(this.root, to));
  }

  async syncFolder(path: string): Promise<void> {
    const handle = await open(join(this.root, path), 'r').catch(refusal(path));
    try {
      await handle.sync().catch(refusal(path));
    } finally {
      await handle.close();
    }
  }

  async remove(path: string): Promise<void> {
    await rm(join(this.root, path), { recursive: true, force: true }).catch(refusal(path));
    this.#handles.forget(join(this.root, path));
  }

  /** Closes the files it keeps open for reading. It can be used again after that. */
  async close(): Promise<void> {
    this.#handles.forgetAll();
  }

  async room(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    const { bavail, blocks, bsize } = await statfs(this.root).catch(refusal('.'));
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  /** SQLite's own file lock does the work: the system drops it with the process, also after a kill −9. */
  async lock(path: string): Promise<AsyncDisposable> {
    await this.makeFolder(path);
    const file = join(this.root, path, 'lock.db');
    const holder = join(this.root, path, 'lock.pid');
    let database: DatabaseSync;
    try {
      database = new DatabaseSync(file, { timeout: 0 });
    } catch (error) {
      throw new Error(`${file}: ${messageOf(error)}`, { cause: error });
    }
    try {
      database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      if (((error as { errcode?: number }).errcode ?? 0) % 256 !== SQLITE_BUSY)
        throw new Error(`${file}: ${messageOf(error)}`, { cause: error });
      const owner = await readFile(holder, 'utf8').catch(() => 'unknown');
      throw new Fault(
        'unavailable',
        `folder ${join(this.root, path)} is open in process ${owner.trim()}; this is process ${process.pid}`,
        { got: process.pid, expected: owner.trim(), cause: error },
      );
    }
    await writeFile(holder, `${process.pid}\n`);
    return {
      [Symbol.asyncDispose]: async () => database.close(),
    };
  }
}

/** Turns an error of the file system into the Fault its reader can act on. */
function refusal(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code === 'ENOENT') throw new Fault('notFound', `no file ${path}`, { cause: error });
    if (FULL.has(error.code ?? '')) throw new Fault('unavailable', `disk full writing ${path}`, { cause: error });
    if (TOO_MANY.has(error.code ?? ''))
      throw new Fault('unavailable', `too many open files for ${path}`, { retryAfterMs: 1_000, cause: error });
    throw new Error(`${path}: ${messageOf(error)}`, { cause: error });
  };
}
