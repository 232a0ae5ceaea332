/** Runs ahead of each file of the `services` lane: its tests begin when the real services are ready. */

import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@tidemark/platform/fault';
import { beforeAll, inject } from 'vitest';
import type {} from './services.ts';

const BOOT_WAIT_MS = 300_000;

/** Resolves when every service of the run is ready. @throws {Fault} `unavailable`: one could not be started. */
export async function servicesReady(): Promise<void> {
  const report = inject('bootReport');
  while (!existsSync(report)) await sleep(50);
  const failure = readFileSync(report, 'utf8');
  if (failure !== '') throw new Fault('unavailable', `the real services did not start: ${failure}`);
}

beforeAll(servicesReady, BOOT_WAIT_MS);
