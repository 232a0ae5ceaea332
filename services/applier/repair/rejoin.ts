/**
 * `POST /v1/jobs {kind: 'return'}` at the site that was lost: its divergent suffix is written out, it catches up, the
 * tail is compared with what is there now and settled as asked, and the primary takes the site back. Every step follows
 * from what is stored, so that a job that was killed is asked for again.
 */

import { createHash } from 'node:crypto';
import { memberNamed, primaryOf, type RegisterValue } from '@tidemark/control/consensus/register-value';
import type { JobWork } from '@tidemark/jobs/jobs';
import { parsed } from '@tidemark/model/parsed';
import { Peer } from '@tidemark/peer/peer';
import { placeOf } from '@tidemark/peer/place';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, messageOf } from '@tidemark/platform/fault';
import type { Random } from '@tidemark/platform/random';
import { z } from 'zod';
import type { KeyspaceApplier } from '../applier.ts';
import { cellsOf, type SuffixFate, type SuffixSummary } from '../divergent/suffix-file.ts';
import type { DivergentSuffixes } from '../divergent/suffixes.ts';
import { missingFrom } from '../follow/positions-json.ts';
import type { Membership } from '../membership.ts';
import { compareSites } from '../read/compare.ts';

const LOOK_MS = 250;
/** Longest time for the primary to answer; and, once the site is level, to take it back. */
const PATIENCE_MS = 60_000;

const ASKED = z.strictObject({
  kind: z.string(),
  keyspace: z.string(),
  site: z.string(),
  tail: z.enum(['export', 'apply', 'discard']).default('export'),
});

const FATES = { export: 'exported', apply: 'applied', discard: 'discarded' } as const satisfies Record<
  string,
  SuffixFate
>;

type ReturnParts = {
  readonly site: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly membership: Membership;
  readonly tails: DivergentSuffixes;
  /** Changes when it is built again. @throws {Fault} `notFound`: no such keyspace; `unavailable`: not open yet. */
  readonly anyApplierOf: (keyspace: string) => KeyspaceApplier;
};

/** How it ended. */
export type Returned = {
  readonly keyspace: string;
  readonly site: string;
  readonly tail: 'export' | 'apply' | 'discard';
  /** Rows of the site's closed terms that count, and that do not. */
  readonly kept: number;
  readonly exported: number;
  /** Records of the closed terms that do not count: the tail, whose rows are `exported`. */
  readonly divergentRecords: number;
  /** SHA-256 of the tail's file (of several files: of their hashes); null when there is no tail. */
  readonly hash: string | null;
  /** How long it took to catch up with the primary. */
  readonly caughtUpMs: number;
  readonly cells: ReturnType<typeof cellsOf>;
  readonly applied: { readonly rows: number; readonly rejected: number };
  readonly files: readonly string[];
  /** Sites that did not tell what they hold of the tail. */
  readonly silent: readonly string[];
  /** Whether the register counts the site. */
  readonly member: 'ACTIVE' | 'RECOVERING';
  readonly digestsEqual: boolean;
};

/** The job of a site that comes back; `work` checks what is asked, and gives the steps. */
export class ReturnJob {
  readonly #parts: ReturnParts;

  constructor(parts: ReturnParts) {
    this.#parts = parts;
  }

  /**
   * @throws {Fault} `invalid`: not what can be asked, or of a site that is none; `fenced`: the site is the primary, or a
   *   witness; `unavailable`: the register cannot be read from here. Each says what to do.
   */
  async work(body: Readonly<Record<string, unknown>>): Promise<JobWork> {
    const { keyspace, site, tail } = parsed(ASKED, body, 'return');
    const applier = this.#parts.anyApplierOf(keyspace);
    this.#checkSite(applier, site);
    const value = await this.#register(keyspace);
    if (primaryOf(value, applier.stores.keyspace) === site) {
      const remedy = 'there is nothing to return; switch over to another site first, if it is to be a replica';
      throw new Fault('fenced', `${site} is the primary of keyspace ${keyspace}: ${remedy}`, { got: site });
    }
    return (tell, signal) => this.#run(keyspace, tail, tell, signal);
  }

  #checkSite(applier: KeyspaceApplier, site: string): void {
    const { sites, name } = applier.stores.keyspace;
    const found = sites.find((one) => one.name === site);
    const expected = sites.filter((one) => one.role === 'data').map((one) => one.name);
    if (found === undefined) {
      const message = `keyspace ${name} has no site "${site}"; its sites are ${expected.join(', ')}`;
      throw new Fault('invalid', message, { got: site, expected });
    }
    if (found.role !== 'data') {
      throw new Fault('fenced', `${site} is a witness of keyspace ${name}: it has no data to return`, { got: site });
    }
    if (site === this.#parts.site) return;
    const message = `${site} returns by a job of its own: ask ${site}, this is ${this.#parts.site}`;
    throw new Fault('invalid', message, { got: this.#parts.site, expected: site });
  }

  async #register(keyspace: string): Promise<RegisterValue> {
    try {
      return await this.#parts.membership.register(keyspace).read();
    } catch (error) {
      if (!isFault(error)) throw error;
      const remedy = 'a majority of the sites must answer before it is known what counts';
      const message = `the register of keyspace ${keyspace} cannot be read: ${messageOf(error)}; ${remedy}`;
      throw new Fault('unavailable', message, { cause: error });
    }
  }

  async #run(
    keyspace: string,
    tail: Returned['tail'],
    tell: (facts: object) => void,
    signal: AbortSignal,
  ): Promise<Returned> {
    const { clock, site, tails, anyApplierOf } = this.#parts;
    const sinceMs = clock.monotonicMs();
    const others = anyApplierOf(keyspace)
      .stores.keyspace.sites.filter((one) => one.role === 'data' && one.name !== site)
      .map((one) => one.name);
    const primary = (): string => this.#primary(keyspace);
    const asked = { origin: site, others, classify: false, fate: 'exported', primary } as const;
    tell({ keyspace, site, phase: 'writing the tail out' });
    const first = await tails.write(anyApplierOf(keyspace), asked, signal);
    tell({ phase: 'catching up', kept: first.kept.rows, exported: rowsOf(first.tails), hash: hashOf(first.tails) });
    await this.#catchUp(keyspace, tell, signal);
    const caughtUpMs = Math.round(clock.monotonicMs() - sinceMs);
    tell({ phase: 'settling the tail', caughtUpMs });
    const settled = { ...asked, classify: true, fate: FATES[tail] };
    const report = await tails.write(anyApplierOf(keyspace), settled, signal);
    tell({ phase: 'waiting to be taken back' });
    const member = await this.#untilActive(keyspace, signal);
    const { equal } = await this.#compare(keyspace, signal);
    return {
      ...{ keyspace, site, tail, kept: report.kept.rows, exported: rowsOf(report.tails), hash: hashOf(report.tails) },
      ...{ caughtUpMs, cells: cellsOf(report.tails), applied: report.applied, silent: report.silent },
      ...{ files: report.tails.map(({ file }) => file), member, digestsEqual: equal },
      divergentRecords: report.tails.reduce((sum, { records }) => sum + records, 0),
    };
  }

  #primary(keyspace: string): string {
    const { membership, anyApplierOf } = this.#parts;
    return primaryOf(membership.registerValue(keyspace), anyApplierOf(keyspace).stores.keyspace);
  }

  /** Until everything that the primary had applied when it was asked is applied and readable here. */
  async #catchUp(keyspace: string, tell: (facts: object) => void, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const wanted = await this.#positionsOfPrimary(keyspace, signal);
    for (;;) {
      if (signal.aborted) throw new Fault('unavailable', 'return: the site is stopping; ask again');
      const applier = this.#parts.anyApplierOf(keyspace);
      const behind = missingFrom(wanted, (origin, partition) => applier.origins.applied(origin, partition));
      const missing = behind ?? applier.readGate.refusal;
      if (missing === null) return;
      tell({ waitsFor: missing });
      await clock.sleep(LOOK_MS, signal);
    }
  }

  async #positionsOfPrimary(keyspace: string, signal: AbortSignal) {
    const { clock, membership } = this.#parts;
    const untilMs = clock.monotonicMs() + PATIENCE_MS;
    let why = '';
    while (!signal.aborted && clock.monotonicMs() < untilMs) {
      const primary = this.#primary(keyspace);
      const { answer, fault } = await new Peer(membership.network, placeOf(primary)).applied(keyspace);
      if (answer !== null) return answer.positions;
      why = messageOf(fault);
      await clock.sleep(LOOK_MS, signal);
    }
    throw new Fault('unavailable', `return: where the primary is cannot be learnt: ${why}; ask again when it answers`);
  }

  /** Until the register counts this site, with the very topics it has. */
  async #untilActive(keyspace: string, signal: AbortSignal): Promise<Returned['member']> {
    const { clock } = this.#parts;
    const untilMs = clock.monotonicMs() + PATIENCE_MS;
    while (!signal.aborted && clock.monotonicMs() < untilMs) {
      if (await this.#isActive(keyspace)) return 'ACTIVE';
      await clock.sleep(LOOK_MS, signal);
    }
    return 'RECOVERING';
  }

  async #isActive(keyspace: string): Promise<boolean> {
    const { membership, site } = this.#parts;
    const value = membership.registerValue(keyspace);
    const member = value === null ? null : memberNamed(value, site);
    if (member?.state !== 'ACTIVE') return false;
    const { answer } = await new Peer(membership.network, placeOf(site)).copies(keyspace);
    return answer?.copies.every(({ origin, logId }) => member.logIds[origin] === logId) ?? false;
  }

  #compare(keyspace: string, signal: AbortSignal) {
    const { site, random, membership, anyApplierOf } = this.#parts;
    const { partitions } = anyApplierOf(keyspace).stores.keyspace;
    const asked = { keyspace, partitions, sites: [this.#primary(keyspace), site] };
    return compareSites({ network: membership.network, random, signal }, asked);
  }
}

function rowsOf(tails: readonly SuffixSummary[]): number {
  return tails.reduce((sum, { rows }) => sum + rows, 0);
}

function hashOf(tails: readonly SuffixSummary[]): string | null {
  if (tails.length <= 1) return tails[0]?.sha256 ?? null;
  const hash = createHash('sha256');
  for (const { sha256 } of tails) hash.update(sha256);
  return hash.digest('hex');
}
