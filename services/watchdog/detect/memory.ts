/**
 * What this site remembers of the others: where their copies and control topics ended when they were last heard, a few
 * times a second. A site that begins again asks for it, as what stands there may be an older copy of what it was
 * (`packages/control/consensus/vouching.ts` judges). It is kept in a file too: what it says then is old, and still proves that
 * more was there once.
 */

import { type Ends, hear, joinEnds, type Remembered } from '@tidemark/control/consensus/vouching';
import { type Before, ENDS } from '@tidemark/peer/shapes';
import type { Clock } from '@tidemark/platform/clock';
import type { Disk } from '@tidemark/platform/disk';
import { isFault, messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { readDerived, writeState } from '@tidemark/platform/state-file';
import { z } from 'zod';

const PATH = 'checkpoints/memory.json';
const WRITE_EVERY_MS = 1_000;

const FILE = z.array(z.object({ site: z.string(), process: z.string(), ends: ENDS }));

type MemoryParts = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** What this process remembers, in memory and every so often on disk; a file that is damaged counts as none. */
export class Memory {
  readonly #parts: MemoryParts;
  readonly #known = new Map<string, Remembered>();
  #isRead = false;
  #written = '';

  constructor(parts: MemoryParts) {
    this.#parts = parts;
  }

  /** What is in the file is known from then on. Until then nothing is told. */
  async run(signal: AbortSignal): Promise<void> {
    const { disk, clock, logger } = this.#parts;
    for (const { site, process, ends } of (await readDerived(disk, PATH, FILE, logger)) ?? []) {
      const heard = this.#known.get(site);
      const old: Remembered = { process, heardMs: null, ends, before: null };
      this.#known.set(site, heard === undefined ? old : joined(old, heard));
    }
    this.#isRead = true;
    await disk.makeFolder('checkpoints');
    while (!signal.aborted) {
      await clock.sleep(WRITE_EVERY_MS, signal);
      await this.#write().catch((error) => {
        if (!isFault(error)) throw error;
        logger.warn({ path: PATH, reason: messageOf(error) }, 'what is remembered of other sites is not written down');
      });
    }
  }

  async #write(): Promise<void> {
    const file = [...this.#known].map(([site, { process, ends, before }]) => {
      return { site, process, ends: before === null ? ends : joinEnds(before.ends, ends) };
    });
    const text = JSON.stringify(file);
    if (text === this.#written) return;
    await writeState(this.#parts.disk, PATH, file);
    this.#written = text;
  }

  /** `ends` null: the process only showed that it is there. */
  hear(site: string, process: string, ends: Ends | null): void {
    this.#known.set(site, hear(this.#known.get(site) ?? null, process, ends, this.#parts.clock.monotonicMs()));
  }

  /** What is known of earlier processes of a site; null: of none. Undefined: the file was not read yet. */
  before(site: string): Before | null | undefined {
    return this.#isRead ? (this.#known.get(site)?.before ?? null) : undefined;
  }
}

/** What was heard before the file was read, on top of what it says. */
function joined(old: Remembered, heard: Remembered): Remembered {
  if (old.process === heard.process) return { ...heard, ends: joinEnds(old.ends, heard.ends) };
  return { ...heard, before: { gapMs: null, ends: joinEnds(old.ends, heard.before?.ends ?? old.ends) } };
}
