/** Compares what sites hold of a keyspace, at equal positions, while writes go on. */

import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import { ROUTES } from '@tidemark/peer/routes';
import type { HeldAnswer, HeldAsked } from '@tidemark/peer/shapes';
import type { Told } from '@tidemark/peer/told';
import { Fault } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';
import type { Random } from '@tidemark/platform/random';
import { type GcWatermark, laterGcWatermark } from '@tidemark/store/gc-watermark';
import { furthest } from '../follow/apply-pause.ts';

/** Longest wait for a site to say where it is; all others are held meanwhile. */
const ASK_MS = 1_500;
/** A hold that nobody goes on with ends after this long. */
const HOLD_MS = 5_000;
/** Longest time a site has to come to where the furthest one was. */
const REACH_MS = 20_000;
/** A digest has so long at first, and twice as long each time it was too short: an answer that is lost costs no more. */
export const COUNT_MS = 15_000;

/**
 * - `MATCH`: equal; `DIVERGED`: different at equal positions
 * - `LAGGING`: it did not come to where the furthest one was in time
 * - `SCHEMA`: it knows another version of the keyspace there
 * - `UNREACHABLE`: it did not answer, or could not
 */
export type VerdictWord = 'MATCH' | 'LAGGING' | 'DIVERGED' | 'SCHEMA' | 'UNREACHABLE';

/** Of one site's partition, against the reference. */
export type Verdict = {
  readonly site: string;
  readonly partition: number;
  readonly verdict: VerdictWord;
  /** What differs, in words; null for a match. */
  readonly detail: string | null;
};

/** Which sites' rows are equal to the reference's, at one set of positions. */
export type Comparison = {
  /** The site the others were compared with. */
  readonly reference: string | null;
  readonly verdicts: readonly Verdict[];
  readonly equal: boolean;
};

type CompareParts = {
  readonly network: Network;
  readonly random: Random;
  /** Ends it at once; what is not answered by then is UNREACHABLE. */
  readonly signal: AbortSignal;
};

type CompareAsked = {
  readonly keyspace: string;
  readonly partitions: number;
  /** The reference first: the primary, where it answers. */
  readonly sites: readonly string[];
  /** Longest time a site has to come to where the furthest one was. */
  readonly reachMs?: number;
  /** Longest time it has for the digest from there on, once; left out, it is asked again and given more. */
  readonly countMs?: number;
};

type Answers = ReadonlyMap<string, HeldAnswer | string>;

/** Never rejects for what a site does: that is a verdict. */
export async function compareSites(parts: CompareParts, asked: CompareAsked): Promise<Comparison> {
  if (asked.countMs !== undefined) return (await compareOnce(parts, asked, asked.countMs)).comparison;
  for (let countMs = COUNT_MS; ; countMs = Math.min(2 * countMs, ROUTES.held.timeoutMs)) {
    const { comparison, isCut } = await compareOnce(parts, asked, countMs);
    if (!isCut || countMs === ROUTES.held.timeoutMs || parts.signal.aborted) return comparison;
  }
}

/** `isCut`: a site that was there gave no digest in its time. */
async function compareOnce(
  parts: CompareParts,
  asked: CompareAsked,
  countMs: number,
): Promise<{ readonly comparison: Comparison; readonly isCut: boolean }> {
  const id = parts.random.id();
  const held = await askAll(parts, asked, asked.sites, { id, at: null, gcWatermark: null, forMs: HOLD_MS }, ASK_MS);
  const there = [...held].filter((one): one is [string, HeldAnswer] => typeof one[1] !== 'string');
  const at = furthest(there.map(([, answer]) => answer.positions)) as HeldAsked['at'];
  // None forgets more while it is held, so that at the latest gcWatermark all leave out the same.
  const gcWatermark = there.reduce(
    (late: GcWatermark | null, [, one]) => laterGcWatermark(late, one.gcWatermark),
    null,
  );
  const { reachMs = REACH_MS } = asked;
  const body = { id, at, gcWatermark, forMs: reachMs };
  const sites = there.map(([site]) => site);
  const answers = await askAll(parts, asked, sites, body, reachMs + countMs);
  const isCut = [...answers.values()].some((answer) => typeof answer === 'string');
  return { comparison: judge(asked, new Map([...held, ...answers])), isCut };
}

async function askAll(
  { network, signal }: CompareParts,
  { keyspace }: CompareAsked,
  sites: readonly string[],
  body: HeldAsked,
  timeoutMs: number,
): Promise<Answers> {
  const ask = async (site: string): Promise<[string, HeldAnswer | string]> => {
    const asking = new Peer(network, placeOf(site)).held(keyspace, body, timeoutMs);
    const { answer, fault } = await unlessAborted(asking, signal);
    return [site, answer ?? fault?.message ?? ''];
  };
  return new Map(await Promise.all(sites.map(ask)));
}

/** A fault `unavailable` when the signal aborts first. */
async function unlessAborted(asking: Promise<Told<HeldAnswer>>, signal: AbortSignal): Promise<Told<HeldAnswer>> {
  const { promise, resolve } = Promise.withResolvers<Told<HeldAnswer>>();
  const stop = (): void => resolve({ answer: null, fault: new Fault('unavailable', 'the comparison was given up') });
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  try {
    return await Promise.race([asking, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
    asking.catch(() => {});
  }
}

/** Pure: what the answers say. An answer that is a text says why there is none. */
export function judge({ sites, partitions }: CompareAsked, answers: Answers): Comparison {
  const complete = sites.filter((site) => isComplete(answers.get(site)));
  const reference = complete[0] ?? null;
  const base = reference === null ? null : (answers.get(reference) as HeldAnswer);
  const verdicts = sites.flatMap((site) => {
    return Array.from({ length: partitions }, (_, partition) => {
      const [verdict, detail] = verdictOf(base, answers.get(site) ?? 'it was not asked', partition);
      return { site, partition, verdict, detail };
    });
  });
  return { reference, verdicts, equal: verdicts.every(({ verdict }) => verdict === 'MATCH') };
}

function isComplete(answer: HeldAnswer | string | undefined): boolean {
  return typeof answer === 'object' && answer.digests !== null;
}

function verdictOf(
  base: HeldAnswer | null,
  answer: HeldAnswer | string,
  partition: number,
): [VerdictWord, string | null] {
  if (typeof answer === 'string') return ['UNREACHABLE', answer];
  if (answer.digests === null || base === null || base.digests === null)
    return ['LAGGING', 'it did not come to where the furthest one was in time'];
  if (answer.version !== base.version) return ['SCHEMA', `version ${answer.version}, expected ${base.version}`];
  for (const [table, expected] of Object.entries(base.digests)) {
    const got = answer.digests[table]?.[partition];
    if (got === undefined) return ['SCHEMA', `it has no table ${table}`];
    const { hash, rows } = expected[partition]!;
    if (got.hash === hash) continue;
    return [
      'DIVERGED',
      `table ${table}: ${got.rows} rows ${got.hash.slice(0, 12)}, expected ${rows} ${hash.slice(0, 12)}`,
    ];
  }
  return ['MATCH', null];
}
