/** `tidemark verify`: compares what the sites hold, partition by partition and column by column. */

import { EXIT, type ExitCode } from '../exit-code.ts';
import { command } from '../invocation.ts';
import { factsInWords, type JobFacts, runJob } from '../job.ts';
import { textTable } from '../output/output.ts';
import { KEYSPACE_OPTION, type KeyspaceFlag, theKeyspace } from '../the-keyspace.ts';

type Flags = KeyspaceFlag;

/** Runs a comparison at equal positions; exit code 5 when sites differ, 4 when some could not be compared. */
export const verify = command<Flags>('verify', 'compare what the sites hold', async (invocation) => {
  const { flags, output } = invocation;
  await using db = await invocation.open();
  const job = { kind: 'verify', keyspace: await theKeyspace(db, flags) };
  const facts = await runJob(db, flags.site ?? null, job, output);
  output.result(facts, verdictsInWords(facts));
  return exitCode(facts);
}).option(...KEYSPACE_OPTION);

type Verdict = Readonly<Record<string, unknown>> & { readonly verdict: string };

const MATCH = 'MATCH';
const UNKNOWN = new Set(['LAGGING', 'UNREACHABLE']);

function verdictsOf({ verdicts }: JobFacts): readonly Verdict[] {
  return Array.isArray(verdicts) ? (verdicts as readonly Verdict[]) : [];
}

/** Different is different; what could not be compared is neither that nor equal. */
function exitCode(facts: JobFacts): ExitCode {
  const others = verdictsOf(facts).filter(({ verdict }) => verdict !== MATCH);
  if (others.length === 0) return facts.equal === false ? EXIT.different : EXIT.done;
  return others.every(({ verdict }) => UNKNOWN.has(verdict)) ? EXIT.unavailable : EXIT.different;
}

/** A line for what is not equal, and how much is. */
function verdictsInWords(facts: JobFacts): string {
  const { verdicts: _, ...rest } = facts;
  const all = verdictsOf(facts);
  const others = all.filter(({ verdict }) => verdict !== MATCH);
  const head = [`${all.length - others.length} of ${all.length} compared are equal`, factsInWords(rest)];
  if (others.length === 0) return head.filter((text) => text !== '').join('; ');
  const columns = [...new Set(others.flatMap((one) => Object.keys(one)))];
  const rows = others.map((one) => columns.map((column) => one[column] ?? null));
  return `${head.join('; ')}\n${textTable(columns, rows)}`;
}
