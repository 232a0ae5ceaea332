/** A ledger's file: begun anew, or taken up where a load stopped. */

import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault } from '@tidemark/platform/fault';
import { type Ledger, type LedgerFile, type LedgerHead, LedgerWriter, parseLedger } from './ledger.ts';

/** @throws {Fault} `invalid`: there is none. `corrupt`: it is none. */
export async function readLedger(path: string): Promise<Ledger | null> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw new Fault('invalid', `there is no ledger ${path}`, { got: path, cause });
    throw new Fault('invalid', `cannot read the ledger ${path}: ${cause.message}`, { got: path, cause });
  });
  return parseLedger(text, path);
}

/** A ledger being written, and what it held before. */
export type OpenLedger = { readonly head: LedgerHead; readonly before: Ledger | null; readonly writer: LedgerWriter };

/**
 * Opens the ledger of a load.
 * @param head what is to be loaded; with `resume` the ledger's own batch size and prefix are taken
 * @throws {Fault} `invalid`: it exists and `resume` was not asked for, or it is of another table or source (both named)
 */
export async function openLedger(path: string, head: LedgerHead, resume: boolean): Promise<OpenLedger> {
  const exists = await open(path, 'r').then(
    async (handle) => {
      await handle.close();
      return true;
    },
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw new Fault('invalid', `cannot open the ledger ${path}: ${error.message}`, { cause: error });
    },
  );
  if (exists && !resume) {
    throw new Fault('invalid', `the ledger ${path} exists already: --resume goes on with it, or name another file`);
  }
  const before = exists ? await readLedger(path) : null;
  if (before !== null) refuseOther(path, before.head, head);
  const writer = new LedgerWriter(await appending(path, before?.wholeBytes ?? 0));
  if (before === null) await writer.add(head);
  return { head: before?.head ?? head, before, writer };
}

function refuseOther(path: string, stored: LedgerHead, asked: LedgerHead): void {
  for (const field of ['table', 'source'] as const) {
    if (stored[field] === asked[field]) continue;
    const message = `the ledger ${path} is of ${field} ${stored[field]}, asked for ${asked[field]}`;
    throw new Fault('invalid', message, { got: asked[field], expected: stored[field] });
  }
}

/** The file, cut to its whole lines and made to survive as a name in its folder. */
async function appending(path: string, wholeBytes: number): Promise<LedgerFile> {
  const handle = await open(path, 'a').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('invalid', `cannot write the ledger ${path}: ${cause.message}`, { got: path, cause });
  });
  await handle.truncate(wholeBytes);
  await handle.sync();
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  const failed = (cause: NodeJS.ErrnoException): never => {
    throw new Fault('unavailable', `cannot write the ledger ${path}: ${cause.message}`, { cause });
  };
  return {
    append: (text) => handle.appendFile(text).catch(failed),
    sync: () => handle.datasync().catch(failed),
    close: () => handle.close(),
  };
}
