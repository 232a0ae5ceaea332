/** `tidemark verify`: compares what the sites hold, partition by partition and column by column. */

import { EXIT, type ExitCode } from '../exit-code.ts';
import { command } from '../invocation.ts';
import { factsInWords, type JobFacts, runJob } from '../job.ts';
import { textTable } from '../output/output.ts';
import { KEYSPACE_OPTION, type KeyspaceFlag, theKeyspace } from '../the-keyspace.ts';

type Flags = KeyspaceFlag & { readonly repair?: boolean };

/** Runs a comparison at equal positions; exit code 5 when sites differ, 4 when some could not be compared. */
export const verify = command<Flags>('verify', 'compare what the sites hold', async (invocation) => {
  const { flags, output } = invocation;
  await using db = await invocation.open();
  const keyspace = await theKeyspace(db, flags);
  const compare = (): Promise<JobFacts> => runJob(db, flags.site ?? null, { kind: 'verify', keyspace }, output);
  let facts = await compare();
  const repaired: JobFacts[] = [];
  // Who was built again may have been right all along: then whom it differs from is built again.
  for (let step = nextToRepair(facts, repaired); step !== null && flags.repair; step = nextToRepair(facts, repaired)) {
    output.note(`${step.site} differs from ${step.with}: what differs is built again from its logs`);
    repaired.push(await runJob(db, step.site, { kind: 'repair', keyspace, with: step.with }, output));
    facts = await compare();
  }
  const result = flags.repair ? { ...facts, repaired: repaired.map(repairFacts) } : facts;
  output.result(result, verdictsInWords(result));
  return exitCode(facts);
})
  .option(...KEYSPACE_OPTION)
  .option('--repair', 'build what differs again from the logs, site by site');

/** Whom to build again next, and in comparison with whom: each site once, those that differ first. Null: nobody is left. */
function nextToRepair(
  facts: JobFacts,
  repaired: readonly JobFacts[],
): { readonly site: string; readonly with: string } | null {
  const reference = typeof facts.reference === 'string' ? facts.reference : null;
  const differing = verdictsOf(facts).filter(({ verdict }) => verdict === DIVERGED);
  const sites = [...new Set(differing.map(({ site }) => String(site)))];
  const [first] = sites;
  if (reference === null || first === undefined) return null;
  const isDone = (site: string): boolean => repaired.some((one) => one.site === site);
  const next = sites.find((site) => !isDone(site));
  if (next !== undefined) return { site: next, with: reference };
  return isDone(reference) ? null : { site: reference, with: first };
}

function repairFacts({ site, with: other, differed, equal }: JobFacts): object {
  return { site, with: other, differed, equal };
}

type Verdict = Readonly<Record<string, unknown>> & { readonly verdict: string };

const MATCH = 'MATCH';
const DIVERGED = 'DIVERGED';
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
