/**
 * How far this process knows the control topic to go, in a file beside it. A topic that ends earlier has lost promises,
 * and its acceptor is not the one it was. The file only helps to notice: without it nothing is known to be lost.
 */

import { type Disk, replaceFile } from '@tidemark/world/disk';
import { z } from 'zod';

const PATH = 'checkpoints/acceptor.json';

const MARK = z.object({ acceptor: z.string(), end: z.int() });
export type AcceptorMark = Readonly<z.infer<typeof MARK>>;

/** Null when there is none, or none that can be read. */
export async function readMark(disk: Disk): Promise<AcceptorMark | null> {
  if (!(await disk.exists(PATH))) return null;
  const text = Buffer.from(await disk.read(PATH)).toString('utf8');
  try {
    return MARK.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

export async function writeMark(disk: Disk, mark: AcceptorMark): Promise<void> {
  await disk.makeFolder('checkpoints');
  await replaceFile(disk, PATH, Buffer.from(JSON.stringify(mark)));
}
