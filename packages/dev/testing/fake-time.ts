/** A clock that is wrong for one process: libfaketime, where the system has it (Debian: apt-get install libfaketime). */

import { access } from 'node:fs/promises';

/** Where Debian and Fedora put it, for both kinds of processor. */
const PLACES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib64/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
] as const;

export type FakeTime =
  | {
      /** `offset` as libfaketime reads it: `+3600`, `-3600`, in seconds. The steady clock stays right. */
      readonly environment: (offset: string) => Record<string, string>;
      /** The offset is read from this file, again and again: whoever writes it moves the clock of a running process. */
      readonly environmentOf: (file: string) => Record<string, string>;
    }
  | { readonly obstacle: string };

export async function fakeTime(): Promise<FakeTime> {
  for (const place of PLACES) {
    const isThere = await access(place).then(
      () => true,
      () => false,
    );
    if (!isThere) continue;
    const preload = { LD_PRELOAD: place, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    return {
      environment: (offset) => ({ ...preload, FAKETIME: offset }),
      environmentOf: (file) => ({ ...preload, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1' }),
    };
  }
  return { obstacle: `libfaketime is missing (apt-get install libfaketime); looked at ${PLACES.join(', ')}` };
}
