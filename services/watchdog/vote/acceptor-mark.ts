/**
 * How far this process knows the control topic to go, in a file beside it. A topic that ends earlier has lost promises,
 * and its acceptor is not the one it was. The file only helps to notice: without it nothing is known to be lost.
 */

import type { Disk } from '@tidemark/platform/disk';
import type { Logger } from '@tidemark/platform/logger';
import { readDerived, writeState } from '@tidemark/platform/state-file';
import { z } from 'zod';

const PATH = 'checkpoints/acceptor.json';

const MARK = z.object({ acceptor: z.string(), end: z.int() });
type AcceptorMark = Readonly<z.infer<typeof MARK>>;

/** Null when there is none, or none that can be read. */
export function readMark(disk: Disk, logger: Logger): Promise<AcceptorMark | null> {
  return readDerived(disk, PATH, MARK, logger);
}

/** Puts a new mark in place of the old one, in one step. */
export async function writeMark(disk: Disk, mark: AcceptorMark): Promise<void> {
  await disk.makeFolder('checkpoints');
  await writeState(disk, PATH, mark);
}
