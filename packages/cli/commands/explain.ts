/** `tidemark explain [last|ID]`: a decision that was made or refused, told to somebody who was not there. */

import type { Database } from '@tidemark/client';
import { type Decision, historyOf } from '@tidemark/control/audit/decision';
import { explain as inWords } from '@tidemark/control/audit/decision-words';
import { Fault } from '@tidemark/platform/fault';
import { EXIT } from '../exit-code.ts';
import { command, type Invocation, wholeNumber } from '../invocation.ts';
import { textTable } from '../output/output.ts';
import type { KeyspaceFlag } from '../the-keyspace.ts';
import { historyAt, readHistory } from './history.ts';

type Flags = KeyspaceFlag & { readonly list?: number };

/** Finds the decision, by default the newest one, in the history of the named site or of all that answer. */
export const explain = command<Flags>('explain [decision]', 'why it happened', async (invocation, [word = 'last']) => {
  const { flags, output } = invocation;
  await using db = await invocation.open();
  const all = await historyFor(db, invocation);
  const history = all.filter(({ keyspace }) => flags.keyspace === undefined || keyspace === flags.keyspace);
  if (flags.list !== undefined) {
    const newest = history.slice(0, flags.list);
    output.result(newest, newest.length === 0 ? 'nothing was decided yet' : listInWords(newest));
    return EXIT.done;
  }
  const decision = chosen(history, word);
  output.result(decision, inWords(decision));
  return EXIT.done;
})
  .option('--list <n>', 'the newest n decisions, a line each', wholeNumber(1))
  .option('--keyspace <name>', 'only decisions about this keyspace');

/** @throws {Fault} `invalid`: there is none of that id, or none at all. */
function chosen(history: readonly Decision[], word: string): Decision {
  const found = word === 'last' ? history[0] : history.filter(({ id }) => id.startsWith(word));
  if (found === undefined) throw new Fault('notFound', 'nothing was decided yet', { got: word });
  if (!Array.isArray(found)) return found as Decision;
  if (found.length === 1) return found[0]!;
  const newest = history.slice(0, 5).map(({ id }) => id);
  const expected = `last, or an id such as ${newest.join(', ') || 'none, as nothing was decided yet'}`;
  const message = found.length === 0 ? `no decision "${word}"` : `${found.length} decisions begin with "${word}"`;
  throw new Fault('notFound', `${message}; expected ${expected}`, { got: word, expected });
}

/** Decisions of the site that was named, or of all that answer. @throws {Fault} `unavailable`: no site answered. */
async function historyFor(db: Database, { flags, output }: Invocation<Flags>): Promise<Decision[]> {
  if (flags.site !== undefined) return historyOf(await historyAt(db, flags.site));
  const { decisions, silent } = await readHistory(await db.siteUrls(), flags.timeout);
  for (const fault of silent) output.note(`what this site decided is not among it: ${fault.message}`);
  return decisions;
}

function listInWords(decisions: readonly Decision[]): string {
  const rows = decisions.map(({ id, atMs, keyspace, kind, outcome, from, to, epoch }) => [
    id.slice(0, 8),
    new Date(atMs).toISOString(),
    keyspace,
    kind,
    outcome,
    from,
    to,
    epoch,
  ]);
  return textTable(['id', 'at', 'keyspace', 'what', 'outcome', 'from', 'to', 'epoch'], rows);
}
