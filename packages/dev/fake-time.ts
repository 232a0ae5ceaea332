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
  /** `offset` as libfaketime reads it: `+3600`, `-3600`, in seconds. The steady clock stays right. */
  { readonly environment: (offset: string) => Record<string, string> } | { readonly obstacle: string };

export async function fakeTime(): Promise<FakeTime> {
  for (const place of PLACES) {
    const isThere = await access(place).then(
      () => true,
      () => false,
    );
    if (!isThere) continue;
    return {
      environment: (offset) => ({ LD_PRELOAD: place, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' }),
    };
  }
  return { obstacle: `libfaketime is missing (apt-get install libfaketime); looked at ${PLACES.join(', ')}` };
}
