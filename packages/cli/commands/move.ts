/** What switchover and failover have in common: a keyspace's primary is moved to another site by an operator. */

import type { Command } from 'commander';
import { command, type Invocation } from '../invocation.ts';
import { exitCodeOfJob, factsInWords, type JobFacts, runJob } from '../job.ts';
import { textTable } from '../output/output.ts';
import { KEYSPACE_OPTION, type KeyspaceFlag, theKeyspace } from '../the-keyspace.ts';

/** The flags of both moves; with `dryRun` it is only judged. */
export type MoveFlags = KeyspaceFlag & { readonly to: string; readonly dryRun?: boolean };

/**
 * A command that moves the primary.
 * @param asked what the job is told beside keyspace and target
 */
export function moveCommand<F extends MoveFlags>(
  kind: 'switchover' | 'failover',
  summary: string,
  asked: (flags: Invocation<F>['flags']) => object = () => ({}),
): Command {
  return command<F>(kind, summary, async ({ flags, output, open }) => {
    await using db = await open();
    const keyspace = await theKeyspace(db, flags);
    const job = { kind, keyspace, to: flags.to, dryRun: flags.dryRun ?? false, ...asked(flags) };
    const facts = await runJob(db, flags.site ?? null, job, output);
    output.result(facts, moveInWords(facts));
    return exitCodeOfJob(facts);
  })
    .requiredOption('--to <site>', 'the site that is to be the primary')
    .option(...KEYSPACE_OPTION)
    .option('--dry-run', 'say what would happen and what it would cost, and change nothing');
}

type Phase = { readonly name: string; readonly ms: number };

/** What the job says in a sentence, what helps where it was refused, and its phases as a table. */
export function moveInWords(facts: JobFacts): string {
  const { words, remedy, phases, outcome } = facts;
  const parts = [typeof words === 'string' ? words : factsInWords(facts)];
  if (outcome === 'refused') parts[0] = `refused, and nothing was changed: ${parts[0]}`;
  if (typeof remedy === 'string') parts.push(`what helps: ${remedy}`);
  if (Array.isArray(phases) && phases.length > 0) {
    const rows = (phases as readonly Phase[]).map(({ name, ms }) => [name, ms]);
    parts.push('', textTable(['phase', 'ms'], rows));
  }
  return parts.join('\n');
}
