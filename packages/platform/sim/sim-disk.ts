/**
 * A disk in memory that can do what real ones do at the worst moment: lose bytes that were not synced, or keep a torn
 * part of them, forget creations and renames whose folder was not synced, refuse with EIO or for want of room, and stop
 * between any two steps. For tests and the simulator; everything it leaves to chance comes from a seeded Random.
 */

import type { Disk, DiskFile } from '../disk.ts';
import { Fault } from '../fault.ts';
import { integerBetween, type Random } from '../random.ts';

/** A file's bytes; `synced` of them survive anything. */
type Inode = { bytes: Uint8Array; length: number; synced: number };
type Folder = Map<string, Inode | 'folder'>;
/** What a platter held at some moment. */
export type PlatterCopy = ReadonlyMap<string, Folder>;
/** A change of a name in a folder that a power loss may undo. */
type Change = { readonly folder: string; readonly name: string; readonly undo: () => void };

/** What a step is about to do; a hook can refuse it. */
export type SimStep = {
  /** Counts from 1 over the life of the platter. */
  readonly number: number;
  readonly kind: 'makeFolder' | 'create' | 'append' | 'sync' | 'read' | 'rename' | 'syncFolder' | 'remove';
  readonly path: string;
};

/** What a hook answers: go on, an I/O error, no room, or the process stops before this step for ever. */
export type SimAnswer = 'ok' | 'eio' | 'full' | 'crash';

/** Thrown by every operation after a crash: the process is no more, so whoever catches it can only stop too. */
export class Crashed extends Error {
  constructor() {
    super('the simulated process has crashed');
    this.name = 'Crashed';
  }
}

/** What is on the medium; it outlives the disks that processes open on it. */
export class SimPlatter {
  readonly folders = new Map<string, Folder>([['', new Map()]]);
  /** Changes of names that were not synced, oldest first. */
  changes: Change[] = [];
  readonly locks = new Set<string>();
  stepCount = 0;

  /** Everything a power loss may take away is taken away or kept, as chance has it. */
  losePower(random: Random): void {
    // Each name keeps the first few of its changes; what happens to one name says nothing about another.
    const counts = new Map<string, number>();
    const nameOf = (change: Change): string => `${change.folder}/${change.name}`;
    for (const change of this.changes) counts.set(nameOf(change), (counts.get(nameOf(change)) ?? 0) + 1);
    for (const [name, count] of counts) counts.set(name, integerBetween(random, 0, count));
    const undone = this.changes.filter((change) => {
      const left = counts.get(nameOf(change))!;
      counts.set(nameOf(change), left - 1);
      return left <= 0;
    });
    for (const change of undone.reverse()) change.undo();
    this.changes = [];
    for (const folder of this.folders.values()) {
      for (const inode of folder.values()) if (inode !== 'folder') tear(inode, random);
    }
    this.#dropUnreachable();
  }

  /** Another medium, with nothing on it, in the place of this one. */
  wipe(): void {
    this.folders.clear();
    this.folders.set('', new Map());
    this.changes = [];
    this.locks.clear();
  }

  /** A copy of all there is, as a backup takes it. */
  copy(): PlatterCopy {
    return new Map([...this.folders].map(([path, folder]) => [path, copyOf(folder)]));
  }

  /** What a copy holds takes the place of what is there. The copy can be used again. */
  restore(copy: PlatterCopy): void {
    this.wipe();
    for (const [path, folder] of copy) this.folders.set(path, copyOf(folder));
  }

  /** Folders whose own creation was lost go with all that is in them. */
  #dropUnreachable(): void {
    for (const path of [...this.folders.keys()].sort()) {
      if (path === '') continue;
      const { folder, name } = split(path);
      if (this.folders.get(folder)?.get(name) !== 'folder') this.folders.delete(path);
    }
  }
}

function copyOf(folder: Folder): Folder {
  return new Map(
    [...folder].map(([name, inode]) => [name, inode === 'folder' ? inode : { ...inode, bytes: inode.bytes.slice() }]),
  );
}

/** Unsynced bytes: gone, kept in part, or of the right length and wrong. */
function tear(inode: Inode, random: Random): void {
  const loose = inode.length - inode.synced;
  if (loose === 0) return;
  const fate = integerBetween(random, 0, 3);
  if (fate === 0) inode.length = inode.synced;
  else if (fate === 1) inode.length = inode.synced + integerBetween(random, 0, loose);
  else if (fate === 2) inode.bytes.fill(0, inode.synced + integerBetween(random, 0, loose), inode.length);
  inode.synced = inode.length;
}

export class SimDisk implements Disk {
  readonly platter: SimPlatter;
  /** Asked before each step. */
  hook: (step: SimStep) => SimAnswer = () => 'ok';
  /** What `room` tells. */
  freeBytes = 2 ** 40;
  #crashed = false;
  readonly #held = new Set<string>();
  /** Files that are being written. */
  readonly #open = new Set<string>();

  constructor(platter: SimPlatter = new SimPlatter()) {
    this.platter = platter;
  }

  /** Ends the process that uses this disk: nothing it does from now on has an effect. Its locks are free. */
  crash(): void {
    this.#crashed = true;
    for (const path of this.#held) this.platter.locks.delete(path);
  }

  /** The disk after the crash, for the next process. With `random` the power was lost too, not only the process. */
  restart(random?: Random): SimDisk {
    this.crash();
    if (random !== undefined) this.platter.losePower(random);
    return new SimDisk(this.platter);
  }

  async makeFolder(path: string): Promise<void> {
    await this.#step('makeFolder', path);
    const parts = normal(path).split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const current = parts.slice(0, depth).join('/');
      if (current === '' || this.platter.folders.has(current)) continue;
      this.platter.folders.set(current, new Map());
      this.#setName(current, 'folder');
    }
  }

  async create(path: string): Promise<DiskFile> {
    await this.#step('create', path);
    // A real disk lets both write, and whoever renames second finds nothing.
    if (this.#open.has(normal(path))) throw new Error(`${path} is created while it is being written`);
    const inode: Inode = { bytes: new Uint8Array(256), length: 0, synced: 0 };
    this.#folderOf(path);
    this.#setName(path, inode);
    this.#open.add(normal(path));
    return {
      path,
      append: (bytes) => this.#append(path, inode, bytes),
      sync: async () => {
        await this.#step('sync', path);
        inode.synced = inode.length;
      },
      close: async () => void this.#open.delete(normal(path)),
    };
  }

  async read(path: string): Promise<Uint8Array> {
    await this.#step('read', path);
    const inode = this.#inode(path);
    return inode.bytes.slice(0, inode.length);
  }

  async readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    await this.#step('read', path);
    const inode = this.#inode(path);
    return inode.bytes.slice(Math.min(offset, inode.length), Math.min(offset + length, inode.length));
  }

  async exists(path: string): Promise<boolean> {
    await this.#step('read', path);
    return this.platter.folders.has(normal(path)) || this.#lookup(path) !== undefined;
  }

  async list(path: string): Promise<string[]> {
    await this.#step('read', path);
    return [...(this.platter.folders.get(normal(path))?.keys() ?? [])].sort();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step('rename', to);
    this.#open.delete(normal(from));
    const source = split(from);
    const target = split(to);
    const isFolder = this.platter.folders.has(normal(from));
    const inode = isFolder ? 'folder' : this.#inode(from);
    if (isFolder) this.#moveFolder(normal(from), normal(to));
    if (source.folder !== target.folder) throw new Error(`rename from ${source.folder} to ${target.folder}`);
    const names = this.#folderOf(to);
    const replaced = names.get(target.name);
    names.delete(source.name);
    names.set(target.name, inode);
    this.platter.changes.push({
      folder: target.folder,
      name: target.name,
      undo: () => {
        if (replaced === undefined) names.delete(target.name);
        else names.set(target.name, replaced);
        names.set(source.name, inode);
        if (isFolder) this.#moveFolder(normal(to), normal(from));
      },
    });
  }

  /** A folder is kept under its whole path, and so is all below it. */
  #moveFolder(from: string, to: string): void {
    const { folders } = this.platter;
    for (const path of [...folders.keys()]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      folders.set(to + path.slice(from.length), folders.get(path)!);
      folders.delete(path);
    }
  }

  async syncFolder(path: string): Promise<void> {
    await this.#step('syncFolder', path);
    const folder = normal(path);
    if (!this.platter.folders.has(folder)) throw new Fault('notFound', `no folder ${path}`);
    this.platter.changes = this.platter.changes.filter((change) => change.folder !== folder);
  }

  /** A folder goes file by file, and the process can stop between two of them. */
  async remove(path: string): Promise<void> {
    const folder = this.platter.folders.get(normal(path));
    for (const name of [...(folder?.keys() ?? [])]) await this.remove(`${path}/${name}`);
    await this.#step('remove', path);
    this.#open.delete(normal(path));
    const { folder: parent, name } = split(path);
    const names = this.platter.folders.get(parent);
    const removed = names?.get(name);
    if (names === undefined || removed === undefined) return;
    const contents = this.platter.folders.get(normal(path));
    names.delete(name);
    this.platter.folders.delete(normal(path));
    this.platter.changes.push({
      folder: parent,
      name,
      undo: () => {
        names.set(name, removed);
        if (contents !== undefined) this.platter.folders.set(normal(path), contents);
      },
    });
  }

  async room(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    return { freeBytes: this.freeBytes, totalBytes: 2 ** 40 };
  }

  async lock(path: string): Promise<AsyncDisposable> {
    await this.makeFolder(path);
    const key = normal(path);
    if (this.platter.locks.has(key)) throw new Fault('unavailable', `folder ${path} is open in another process`);
    this.platter.locks.add(key);
    this.#held.add(key);
    return {
      [Symbol.asyncDispose]: async () => {
        if (this.#held.delete(key)) this.platter.locks.delete(key);
      },
    };
  }

  async #append(path: string, inode: Inode, bytes: Uint8Array): Promise<void> {
    // A crash in the middle of a long write leaves a part of it.
    await this.#step('append', path, () => this.#put(inode, bytes.subarray(0, bytes.length >> 1)));
    this.#put(inode, bytes);
  }

  #put(inode: Inode, bytes: Uint8Array): void {
    if (inode.length + bytes.length > inode.bytes.length) {
      const larger = new Uint8Array(Math.max(inode.length + bytes.length, inode.bytes.length * 2));
      larger.set(inode.bytes.subarray(0, inode.length));
      inode.bytes = larger;
    }
    inode.bytes.set(bytes, inode.length);
    inode.length += bytes.length;
  }

  async #step(kind: SimStep['kind'], path: string, onCrash?: () => void): Promise<void> {
    if (this.#crashed) throw new Crashed();
    const answer = this.hook({ number: ++this.platter.stepCount, kind, path });
    if (answer === 'full') throw new Fault('unavailable', `disk full writing ${path}`);
    if (answer === 'eio') throw new Error(`${path}: EIO: i/o error`);
    if (answer === 'crash') {
      onCrash?.();
      this.crash();
      throw new Crashed();
    }
  }

  #setName(path: string, to: Inode | 'folder'): void {
    const { folder, name } = split(path);
    const names = this.platter.folders.get(folder)!;
    const replaced = names.get(name);
    names.set(name, to);
    const undo = (): void => {
      if (replaced === undefined) names.delete(name);
      else names.set(name, replaced);
    };
    this.platter.changes.push({ folder, name, undo });
  }

  #folderOf(path: string): Folder {
    const { folder } = split(path);
    const names = this.platter.folders.get(folder);
    if (names === undefined) throw new Fault('notFound', `no file ${path}`);
    return names;
  }

  #lookup(path: string): Inode | 'folder' | undefined {
    const { folder, name } = split(path);
    return this.platter.folders.get(folder)?.get(name);
  }

  #inode(path: string): Inode {
    const found = this.#lookup(path);
    if (found === undefined || found === 'folder') throw new Fault('notFound', `no file ${path}`);
    return found;
  }
}

function normal(path: string): string {
  return path === '.' ? '' : path.replace(/^\.\//, '').replace(/\/$/, '');
}

function split(path: string): { folder: string; name: string } {
  const whole = normal(path);
  const slash = whole.lastIndexOf('/');
  return { folder: slash === -1 ? '' : whole.slice(0, slash), name: whole.slice(slash + 1) };
}
