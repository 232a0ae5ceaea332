/**
 * Small files of state: a process writes one down and reads it back when it starts again. A file is one line of JSON,
 * `{"crc32":"xxxxxxxx","value":…}`, where the sum is of the value's bytes as they stand, so that no flipped bit, torn end or
 * edit by hand is taken for what was written. It is replaced whole, by one rename.
 */

import { crc32 } from 'node:zlib';
import { type Disk, replaceFile } from './disk.ts';
import { Fault, isFault, messageOf } from './fault.ts';
import type { Logger } from './logger.ts';
import { Mutex } from './sync/mutex.ts';

const HEAD = /^\{"crc32":"([0-9a-f]{8})","value":/;
const HEAD_BYTES = '{"crc32":"00000000","value":'.length;
const END = '}\n';
const DAMAGED = '.damaged';

/** What a value has to look like; a zod schema is one. */
export type Shape<T> = { parse(value: unknown): T };

/** Disk → path → the turn to write it: two hands at one temporary file would leave neither what they wrote. */
const turns = new WeakMap<Disk, Map<string, Mutex>>();

/**
 * Replaces the file, once those who came before have; of several the last one's value stays. The folder exists.
 * @throws {Fault} `unavailable`: disk full; the file is as it was
 */
export async function writeState(disk: Disk, path: string, value: unknown): Promise<void> {
  const text = Buffer.from(JSON.stringify(value));
  using _turn = await turnAt(disk, path).lock();
  const head = `{"crc32":"${sumOf(text)}","value":`;
  await replaceFile(disk, path, Buffer.concat([Buffer.from(head), text, Buffer.from(END)]));
}

function turnAt(disk: Disk, path: string): Mutex {
  const paths = turns.get(disk) ?? new Map<string, Mutex>();
  turns.set(disk, paths);
  const turn = paths.get(path) ?? new Mutex();
  paths.set(path, turn);
  return turn;
}

/**
 * Null when there is no such file.
 * @throws {Fault} `corrupt`: it is not what was written; names the file and both sums, or what is wrong with its shape
 */
export async function readState<T>(disk: Disk, path: string, shape: Shape<T>): Promise<T | null> {
  let bytes: Buffer;
  try {
    bytes = Buffer.from(await disk.read(path));
  } catch (error) {
    if (isFault(error, 'notFound')) return null;
    throw error;
  }
  const expected = HEAD.exec(bytes.toString('latin1', 0, HEAD_BYTES))?.[1];
  const isWhole = expected !== undefined && bytes.toString('latin1', bytes.length - END.length) === END;
  if (!isWhole)
    throw damaged(path, `${bytes.length} bytes that begin or end otherwise`, 'a line with a sum and a value');
  const text = bytes.subarray(HEAD_BYTES, bytes.length - END.length);
  if (sumOf(text) !== expected) throw damaged(path, `checksum ${sumOf(text)}`, `checksum ${expected}`);
  try {
    return shape.parse(JSON.parse(text.toString('utf8')));
  } catch (error) {
    throw new Fault('corrupt', `${path} cannot be read: ${messageOf(error)}`, { cause: error, path });
  }
}

/** As `readState`, of what can be made again: a damaged file is set aside with an alarm, and is as good as none. */
export async function readDerived<T>(disk: Disk, path: string, shape: Shape<T>, logger: Logger): Promise<T | null> {
  try {
    return await readState(disk, path, shape);
  } catch (error) {
    if (!isFault(error, 'corrupt')) throw error;
    // Said first: who is killed between the two finds nothing wrong when it starts again.
    logger.error({ path, reason: error.message }, `${error.message}; set aside as ${path}${DAMAGED}, made again`);
    await setAside(disk, path);
    return null;
  }
}

/** Keeps a damaged file or folder under another name, for people; one that was set aside before goes. */
export async function setAside(disk: Disk, path: string): Promise<void> {
  await disk.remove(`${path}${DAMAGED}`);
  await disk.rename(path, `${path}${DAMAGED}`);
  await disk.syncFolder(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.');
}

function sumOf(text: Uint8Array): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function damaged(path: string, got: string, expected: string): Fault {
  return new Fault('corrupt', `${path}: found ${got}, expected ${expected}`, { got, expected, path });
}

/** Of values that only this program writes: the sum says that they are as they were written. */
export function asWritten<T>(): Shape<T> {
  return { parse: (value) => value as T };
}
