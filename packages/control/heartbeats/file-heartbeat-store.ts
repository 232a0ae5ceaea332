/**
 * A heartbeat store of files, for sites that share one machine: one file for each role of each process, replaced by a rename, so
 * a reader sees a whole beat or none and writers never meet. Nothing is synced: a beat is worth less than a second.
 */

import { basename, dirname } from 'node:path';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { Mutex } from '@tidemark/platform/sync/mutex';
import {
  BEAT_KEPT_MS,
  type Beat,
  byRoleAndProcess,
  decodeBeat,
  encodeBeat,
  type HeartbeatStore,
} from './heartbeat-store.ts';

const CLEAN_EVERY_MS = 5_000;
/** A temporary file lives for milliseconds; one this old was left by a process that was killed. */
const TEMPORARY_KEPT_MS = 5_000;

type FileHeartbeatStoreParts = {
  /** For messages. */
  readonly address: string;
  /** Its root must exist: the folder of a site that was moved away is not made again. */
  readonly disk: Disk;
  /** The board's own folder on that disk. */
  readonly folder: string;
  readonly clock: Clock;
};

/** Heartbeats in one folder; its errors are those of the `HeartbeatStore` port. */
export class FileHeartbeatStore implements HeartbeatStore {
  readonly address: string;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #writing = new Mutex();
  #cleanedAtMs: number | null = null;
  /** By file name, what was read last and what it says: beats are looked at more often than they change. */
  readonly #read = new Map<string, { readonly text: Uint8Array; readonly beat: Beat | null }>();

  constructor({ address, disk, folder, clock }: FileHeartbeatStoreParts) {
    this.address = address;
    this.#disk = disk;
    this.#folder = folder;
    this.#clock = clock;
  }

  /** The heartbeat store of a `file:` address's path; `…/board.json` is kept in the folder `…/board`. */
  static at(path: string, clock: Clock): FileHeartbeatStore {
    const folder = basename(path).replace(/\.json$/, '');
    return new FileHeartbeatStore({ address: `file:${path}`, disk: new NodeDisk(dirname(path)), folder, clock });
  }

  /** One at a time, so that beats of one process never overtake each other. */
  async beat(beat: Beat): Promise<void> {
    const text = encodeBeat(beat);
    using _turn = await this.#writing.lock();
    await this.#write(`${beat.role}.${beat.process}`, text);
  }

  async beats(): Promise<Beat[]> {
    const names = await this.#disk.list(this.#folder).catch((error) => this.#refuse(error));
    const files = names.filter((name) => name.endsWith('.json'));
    const beats = await Promise.all(files.map((name) => this.#beatIn(name)));
    for (const name of this.#read.keys()) if (!files.includes(name)) this.#read.delete(name);
    const oldestMs = this.#clock.nowMs() - BEAT_KEPT_MS;
    return beats
      .filter((beat) => beat !== null)
      .filter(({ timeMs }) => timeMs >= oldestMs)
      .sort(byRoleAndProcess);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.settled();
  }

  async #write(name: string, text: string): Promise<void> {
    const temporary = `${this.#folder}/${name}.${this.#clock.nowMs()}.tmp`;
    try {
      if (!(await this.#disk.exists('.'))) throw new Error('its folder is gone');
      await this.#disk.makeFolder(this.#folder);
      await this.#clean();
      const file = await this.#disk.create(temporary);
      try {
        await file.append(new TextEncoder().encode(text));
      } finally {
        await file.close();
      }
      await this.#disk.rename(temporary, `${this.#folder}/${name}.json`);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** Null for one that went away meanwhile, and for anything that is no beat. */
  async #beatIn(name: string): Promise<Beat | null> {
    try {
      const text = await this.#disk.read(`${this.#folder}/${name}`);
      const known = this.#read.get(name);
      if (known !== undefined && Buffer.compare(known.text, text) === 0) return known.beat;
      const beat = decodeBeat(new TextDecoder().decode(text));
      this.#read.set(name, { text, beat });
      return beat;
    } catch (error) {
      if (isFault(error, 'notFound')) return null;
      return this.#refuse(error);
    }
  }

  /** Removes, now and then, what killed processes left: half-written files and beats nobody renews. */
  async #clean(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#cleanedAtMs !== null && nowMs - this.#cleanedAtMs < CLEAN_EVERY_MS) return;
    this.#cleanedAtMs = nowMs;
    for (const name of await this.#disk.list(this.#folder))
      if (await this.#isLeftOver(name)) await this.#disk.remove(`${this.#folder}/${name}`);
  }

  async #isLeftOver(name: string): Promise<boolean> {
    const nowMs = this.#clock.nowMs();
    const temporary = /\.(\d+)\.tmp$/.exec(name);
    if (temporary !== null) return nowMs - Number(temporary[1]) > TEMPORARY_KEPT_MS;
    if (!name.endsWith('.json')) return false;
    const beat = await this.#beatIn(name);
    return beat !== null && nowMs - beat.timeMs > BEAT_KEPT_MS;
  }

  #refuse(error: unknown): never {
    throw new Fault('unavailable', `board ${this.address}: ${messageOf(error)}`, { cause: error });
  }
}
