/** Open files kept for reading, so that a block read costs one system call and not three. */

import { close, open, read } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const closeFile = promisify(close);
const readFile = promisify(read);

/** `users` are reads under way; a forgotten handle is closed by the last of them. */
type Handle = { readonly descriptor: Promise<number>; users: number; isForgotten: boolean };

/** At most this many stay open when nobody reads. */
const HANDLES_MAX = 256;

/** A bounded number of open files; a path that is written anew has to be forgotten first. */
export class ReadHandles {
  /** By path, least recently used first. */
  readonly #handles = new Map<string, Handle>();

  /** Up to `length` bytes from `offset`; fewer at the end. Rejects as node:fs does. */
  async read(path: string, offset: number, length: number): Promise<Uint8Array> {
    const handle = this.#take(path);
    try {
      const descriptor = await handle.descriptor;
      const bytes = Buffer.allocUnsafeSlow(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await readFile(descriptor, bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    } catch (error) {
      this.#forget(path, handle);
      throw error;
    } finally {
      handle.users--;
      if (handle.isForgotten) this.#closeIdle(handle);
    }
  }

  /** Lets go of a file, or of everything in a folder: it was replaced or removed. */
  forget(path: string): void {
    for (const [held, handle] of this.#handles) {
      if (held === path || held.startsWith(`${path}/`)) this.#forget(held, handle);
    }
  }

  /** Lets go of everything. */
  forgetAll(): void {
    for (const [path, handle] of this.#handles) this.#forget(path, handle);
  }

  #take(path: string): Handle {
    const handle = this.#handles.get(path) ?? { descriptor: openFile(path, 'r'), users: 0, isForgotten: false };
    // Whoever reads sees the error; this keeps it from counting as unhandled meanwhile.
    handle.descriptor.catch(() => undefined);
    this.#handles.delete(path);
    this.#handles.set(path, handle);
    handle.users++;
    if (this.#handles.size > HANDLES_MAX) {
      const [oldest] = this.#handles;
      if (oldest !== undefined) this.#forget(...oldest);
    }
    return handle;
  }

  #forget(path: string, handle: Handle): void {
    if (this.#handles.get(path) === handle) this.#handles.delete(path);
    handle.isForgotten = true;
    this.#closeIdle(handle);
  }

  #closeIdle(handle: Handle): void {
    if (handle.users > 0) return;
    // Counted as in use for ever, so that it is closed once.
    handle.users = Number.POSITIVE_INFINITY;
    handle.descriptor.then(closeFile).catch(() => undefined);
  }
}
