/** Decisions, read from the sites that made them. */

import { connect, type Database } from '@tidemark/client';
import { type Decision, decisionOf, historyOf } from '@tidemark/control/audit/decision';
import { type Fault, isFault } from '@tidemark/platform/fault';

/** Longest wait for one site unless told: one that is gone must not keep the others' answers back. */
const SITE_WAIT_MS = 3_000;

/** Newest first, and why some sites did not answer: what those decided is not among it. */
export type HistoryRead = { readonly decisions: Decision[]; readonly silent: readonly Fault[] };

/**
 * Decisions of all sites that answer. Each keeps what it decided itself, and of one decision two may have a part each.
 * @throws {Fault} `unavailable`: none answered
 */
export async function readHistory(urls: readonly string[], siteWaitMs = SITE_WAIT_MS): Promise<HistoryRead> {
  const answers = await Promise.allSettled(
    urls.map(async (url) => {
      await using db = await connect([url], { timeoutMs: siteWaitMs });
      return await historyAt(db, url);
    }),
  );
  const heard: Decision[][] = [];
  const silent: Fault[] = [];
  for (const answer of answers) {
    if (answer.status === 'fulfilled') heard.push(answer.value);
    else if (isFault(answer.reason)) silent.push(answer.reason);
    else throw answer.reason;
  }
  if (heard.length === 0) throw silent[0];
  return { decisions: historyOf(heard.flat()), silent };
}

/** What one site keeps, as it keeps it. @throws {Fault} `unavailable`. */
export async function historyAt(db: Database, site: string): Promise<Decision[]> {
  using reply = await db.ask({ site }, { method: 'GET', path: '/v1/history' });
  const { decisions } = (await reply.response.json()) as { readonly decisions?: readonly unknown[] };
  return (decisions ?? []).map(decisionOf);
}
