/** `tidemark status`: sites, roles, epochs and lag, once or until stopped. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '@tidemark/client';
import { isFault, messageOf } from '@tidemark/platform/fault';
import { EXIT } from '../exit-code.ts';
import { command, type Invocation } from '../invocation.ts';
import { LiveScreen } from '../output/live-screen.ts';
import { liveStatus, type Status, statusInWords } from '../output/status-words.ts';

const WATCH_MS = 1_000;

type Flags = { readonly watch?: boolean };

/** Prints what one site knows of all of them. */
export const status = command<Flags>('status', 'sites, roles, epochs, lag', async (invocation) => {
  const { flags, output } = invocation;
  await using db = await invocation.open();
  if (flags.watch === true) return await watch(invocation, db);
  const seen = await readStatus(db, flags.site);
  output.result(seen, statusInWords(seen));
  return EXIT.done;
}).option('--watch', 'a live table, until stopped');

async function readStatus(db: Database, site: string | undefined): Promise<Status> {
  using reply = await db.ask(site === undefined ? 'any' : { site }, { method: 'GET', path: '/v1/status' });
  return (await reply.response.json()) as Status;
}

/** Until stopped. A site that stops answering is part of what is watched, not the end of it. */
async function watch(invocation: Invocation<Flags>, db: Database): Promise<typeof EXIT.done> {
  const { flags, output, signal } = invocation;
  using screen = !output.json && process.stdout.isTTY ? new LiveScreen(process.stdout) : null;
  while (!signal.aborted) {
    try {
      const seen = await readStatus(db, flags.site);
      if (screen === null) output.result(seen, statusInWords(seen));
      else screen.draw(liveStatus(seen, new Date()));
    } catch (error) {
      if (!isFault(error)) throw error;
      if (screen === null) output.note(messageOf(error));
      else screen.draw(`${new Date().toISOString()}  no site answers: ${messageOf(error)}`);
    }
    await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined);
  }
  return EXIT.done;
}
