/**
 * Weakenings for the rows on real processes: the simulator's mutants, and some more whose faults it does not act out or
 * whose figures it does not look at.
 */

import { Fault } from '@tidemark/platform/fault';
import { MUTANTS } from '../../../sim/mutants/all.ts';
import type { Weakening } from '../../../sim/mutants/mutant.ts';

const REAL_ONLY: readonly Weakening[] = [
  {
    name: 'copies-of-partition-1-stuck',
    breaks: 'nothing: while a file is there, no copy of partition 1 is written',
    file: 'services/mirror/replicator.ts',
    from: 'if (extension.entries.length === 0) return;',
    // It waits, as a slow copy does: one that passed records over would be taken for one that lacks them.
    to: "if (extension.entries.length === 0) return; while (this.#parts.name.partition === 1 && process.getBuiltinModule('node:fs').existsSync(process.env.FAULT_FILE ?? '')) { if (this.#parts.signal.aborted || this.#turn.signal.aborted) return; await this.#rest(50); }",
  },
  {
    name: 'judged-by-the-sick',
    breaks: 'E10: a move is judged by what the others hear of the primary',
    file: 'services/watchdog/failover/move-sight.ts',
    from: 'site === from || dataMs === null ? [] : [dataMs]',
    to: 'site !== from || dataMs === null ? [] : [dataMs]',
  },

  {
    name: 'cut-far-too-low',
    breaks: 'E7: the cut stands as it was worked out, not some records before it',
    file: 'packages/control/consensus/register-changes.ts',
    from: '(term === newest ? { ...term, epochEnds: commit.epochEnds } : term)',
    to: '(term === newest ? { ...term, epochEnds: commit.epochEnds?.map((epochEnd) => ({ ...epochEnd, seq: Math.max(-1, epochEnd.seq - 20) })) ?? null } : term)',
  },
  {
    name: 'term-on',
    breaks: 'rule 9: a writer whose term is over steps down',
    file: 'services/writer/election/election-loop.ts',
    from: 'if (newest.epoch <= leading.epoch && !isVain) return;',
    to: 'if (newest.epoch > 0 || isVain) return;',
  },
  {
    name: 'hint-is-believed',
    breaks: 'rule 5: an offset is a hint, and the record there says whether it is right',
    file: 'services/mirror/replicator.ts',
    from: 'if (isHint && !holds(tail, read.records[0]!.value)) {',
    to: 'if (isHint && read.records.length === 0) {',
  },
  {
    name: 'stuck-for-ever',
    breaks: 'rule 3: no progress while records are ignored, and the place is looked for again',
    file: 'services/mirror/replicator.ts',
    from: 'if (!stuck || this.counts.ignored === ignoredBefore) continue;',
    to: 'if (!stuck || this.counts.ignored >= ignoredBefore) continue;',
  },
  {
    name: 'loss-not-counted',
    breaks: 'E5: the loss is counted before it is accepted',
    file: 'packages/control/failover/loss.ts',
    from: 'rows: missing(written.rows, kept.rows, 0) + unheardRows,',
    to: 'rows: 0,',
  },
  {
    name: 'local-moves-by-itself',
    breaks: 'E10: suspicion moves no keyspace with ack local',
    file: 'packages/control/failover/failover-policy.ts',
    from: "(value.ack.name === 'local' ? localAcks(value, lost) : null) ??",
    to: "(value.ack.name === 'local' && value.paused ? localAcks(value, lost) : null) ??",
  },
  {
    name: 'absent-is-alive',
    breaks: 'rule 25: who is not heard on a board is unknown',
    file: 'packages/control/failover/freshness.ts',
    from: "return arrival.isOnBoard && nowMs - readMs <= this.#silenceMsMax ? 'silent' : 'unknown';",
    to: "return arrival.isOnBoard && nowMs - readMs <= this.#silenceMsMax ? 'silent' : 'alive';",
  },
  {
    name: 'lease-never-ends',
    breaks: 'rule 15: a local writer stops at 12 s without a majority',
    file: 'services/writer/election/lease.ts',
    from: 'return passedMs < STOP_MS &&',
    to: 'return passedMs < STOP_MS * 1_000 &&',
  },
  {
    name: 'cut-log-is-trusted',
    breaks: 'rule 22: a log that lost its end is not trusted',
    file: 'packages/log/tail.ts',
    from: "if (known.end > end || this.#headOffset < 0) this.#lost = 'end';",
    to: "if (known.end < 0) this.#lost = 'end';",
  },
  {
    name: 'any-clock',
    breaks: 'rule 18: a writer whose clock is wrong refuses writes',
    file: 'packages/control/failover/clock-watch.ts',
    from: '  const median = medianOf(state, nowMs, rules);\n  if (median !== null && Math.abs',
    to: '  const median = medianOf(state, nowMs, rules);\n  if (nowMs >= 0) return null;\n  if (median !== null && Math.abs',
  },
  {
    name: 'hasty-suspicion',
    breaks: 'E10: silence counts from 2.5 s on',
    file: 'packages/control/failover/suspicion.ts',
    from: 'return Math.max(0, shortestMs - rules.suspectAfterMs -',
    to: 'return Math.max(0, shortestMs * 8 - rules.suspectAfterMs -',
  },
  {
    name: 'tail-without-its-last-row',
    breaks: 'rule 20: the divergent suffix is written out whole',
    file: 'services/applier/divergent/suffix-rows.ts',
    from: 'return Array.from({ length: this.#batch.rowCount }, (_, row): SuffixRow => {',
    to: 'return Array.from({ length: this.#batch.rowCount - 1 }, (_, row): SuffixRow => {',
  },
];

export const WEAKENINGS: readonly Weakening[] = [...MUTANTS, ...REAL_ONLY];

/**
 * The weakenings of a name, or of several joined by `+`: what two rules guard, one behind the other, fails with both gone.
 * @throws {Fault} `invalid`: there is none of this name
 */
export function weakeningsNamed(names: string): readonly Weakening[] {
  return names.split('+').map((name) => {
    const found = WEAKENINGS.find((one) => one.name === name);
    if (found !== undefined) return found;
    const expected = WEAKENINGS.map((one) => one.name).join(', ');
    throw new Fault('invalid', `mutant ${name}, expected one of ${expected}`, { got: name, expected });
  });
}

/** The environment of a site's process that runs with them. */
export function environmentOf(names: string): Record<string, string> {
  const preload = new URL(`weakened.ts?${encodeURIComponent(names)}`, import.meta.url).href;
  return { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`.trim() };
}
