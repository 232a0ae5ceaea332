/** `tidemark explain [last|ID]`: a decision that was made or refused, told to somebody who was not there. */

import { connect, type Database } from '@tidemark/client';
import { type Decision, decisionOf, historyOf } from '@tidemark/control/decision';
import { explain as inWords } from '@tidemark/control/decision-words';
import { Fault, isFault, messageOf } from '@tidemark/world/fault';
import { EXIT } from './exit-code.ts';
import { command, type Invocation, wholeNumber } from './invocation.ts';
import { textTable } from './output.ts';
import type { KeyspaceFlag } from './the-keyspace.ts';

type Flags = KeyspaceFlag & { readonly list?: number };

export const explain = command<Flags>('explain [decision]', 'why it happened', async (invocation, [word = 'last']) => {
  const { flags, output } = invocation;
  await using db = await invocation.open();
  const all = await readHistory(db, invocation);
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
  if (found === undefined) throw new Fault('invalid', 'nothing was decided yet', { status: 404, got: word });
  if (!Array.isArray(found)) return found as Decision;
  if (found.length === 1) return found[0]!;
  const newest = history.slice(0, 5).map(({ id }) => id);
  const expected = `last, or an id such as ${newest.join(', ') || 'none, as nothing was decided yet'}`;
  const message = found.length === 0 ? `no decision "${word}"` : `${found.length} decisions begin with "${word}"`;
  throw new Fault('invalid', `${message}; expected ${expected}`, { got: word, expected, status: 404 });
}

/**
 * Decisions of the site that was named, or of all that answer: each keeps what it decided itself, and of one decision
 * two sites may have a part each. Newest first.
 * @throws {Fault} `unavailable`: no site answered
 */
async function readHistory(db: Database, { flags, output }: Invocation<Flags>): Promise<Decision[]> {
  if (flags.site !== undefined) return historyOf(await historyAt(db, flags.site));
  const urls = await db.siteUrls();
  // A site that is gone must not keep the others' answers back for as long as a request may take.
  const timeoutMs = Math.min(flags.timeout ?? HISTORY_WAIT_MS, HISTORY_WAIT_MS);
  const answers = await Promise.allSettled(
    urls.map(async (url) => {
      await using one = await connect([url], { timeoutMs });
      return historyAt(one, url);
    }),
  );
  const heard = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const failed = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
  for (const error of failed) if (!isFault(error)) throw error;
  if (heard.length === 0) throw failed[0];
  for (const error of failed) output.note(`what this site decided is not among it: ${messageOf(error)}`);
  return historyOf(heard.flat());
}

const HISTORY_WAIT_MS = 3_000;

async function historyAt(db: Database, site: string): Promise<Decision[]> {
  using reply = await db.ask({ site }, { method: 'GET', path: '/v1/history' });
  const { decisions } = (await reply.response.json()) as { readonly decisions?: readonly unknown[] };
  return (decisions ?? []).map(decisionOf);
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
