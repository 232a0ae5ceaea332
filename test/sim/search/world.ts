/** What is the same in all states of a search, and what is read off a state. */

import { type RegisterValue, type Term, termBefore } from '@tidemark/control/consensus/register-value';
import type { CopyHead, FenceReport } from '@tidemark/control/failover/election';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import { promisable } from '@tidemark/mirror/catch-up-check';
import { comparePositions } from '@tidemark/model/position';
import { Interned, Remembered } from './intern.ts';
import { type Copy, type End, KEYSPACE, NOTHING, Records, SITES } from './records.ts';
import type { Rules } from './rules.ts';
import type { Scope } from './scope.ts';
import { NOT_BEGUN, STOPPED, type State, type View, type WriterState } from './state.ts';

export class World {
  readonly scope: Scope;
  readonly rules: Rules;
  readonly records: Records;
  readonly registers = new Interned<RegisterValue>();
  readonly reports = new Interned<FenceReport>();
  readonly views = new Interned<View>();
  readonly writers = new Interned<WriterState>(
    ({ view, written, pending }) => `${view};${written.join(';')};${pending.join(';')}`,
  );
  /** Runs of records. */
  readonly runs = new Interned<string>((run) => run);
  readonly #copies = new Remembered<string, SiteCopies>();
  readonly #starts = new Remembered<number, string>();
  readonly #gates = new Remembered<string, boolean>();
  readonly sites: readonly number[];
  readonly partitions: readonly number[];

  constructor(scope: Scope, rules: Rules) {
    this.scope = scope;
    this.rules = rules;
    this.records = new Records(rules);
    this.sites = Array.from({ length: scope.sites }, (_, site) => site);
    this.partitions = Array.from({ length: scope.partitions }, (_, partition) => partition);
    // The numbers of `NOT_BEGUN` and `STOPPED`.
    for (const view of [-1, -2]) this.writers.idOf({ view, written: [], pending: [] });
  }

  /** Steady in epoch 1, whose starts are stored everywhere; nothing else was written. */
  initial(): State {
    const { sites, partitions, scope } = this;
    const starts = partitions.map((partition) =>
      scope.first ? '' : this.records.start({ origin: 0, partition }, 1, NOTHING, NOTHING),
    );
    const identities = this.sites.flatMap(() => sites.map(() => 0));
    const value: RegisterValue = {
      keyspace: KEYSPACE,
      version: 0,
      changeId: '',
      changes: [],
      acceptors: {},
      election: null,
      nextEpoch: scope.first > 0 ? 1 : 2,
      ack: { name: 'sync', k: scope.k },
      failover: 'automatic',
      degradeTo: scope.kMin ?? scope.k,
      members: sites.map((site) => ({ site: SITES[site]!, state: 'ACTIVE', logIds: this.logIdsOf(identities, site) })),
      witnesses: [],
      terms: scope.first > 0 ? [] : [{ epoch: 1, site: SITES[0], writerId: 'w1', epochEnds: null }],
      lastFailover: null,
      paused: false,
    };
    const view = this.viewOf(value, 0);
    const writers: number[] = Array.from({ length: scope.epochs + 1 }, () => NOT_BEGUN);
    if (scope.first === 0) writers[1] = this.writers.idOf({ view, written: starts, pending: partitions.map(() => '') });
    return {
      topics: sites.flatMap(() =>
        sites.flatMap((origin) =>
          partitions.map((p) => this.records.topicOf({ origin, partition: p }, origin === 0 ? starts[p]! : '')),
        ),
      ),
      identities,
      register: this.registerId(value),
      candidates: [],
      writers,
      acked: Array.from({ length: (scope.epochs + 1) * partitions.length }, (_, at) =>
        this.runs.idOf(Math.floor(at / partitions.length) === 1 ? starts[at % partitions.length]! : ''),
      ),
      flying: [],
      lines: [],
      writes: 0,
      tails: 0,
      wipes: 0,
      rollbacks: 0,
      births: sites.map(() => ({ epoch: 0, fencedBelow: 0, vouched: true })),
    };
  }

  /** Versions and times only number what happened: two values that differ in nothing else are the same here. */
  registerId(value: RegisterValue): number {
    return this.registers.idOf({ ...value, version: 0, changeId: '', changes: [], lastFailover: null });
  }

  viewOf(value: RegisterValue, origin: number): number {
    const listed = value.members.map(({ state, logIds }) => (state === 'ACTIVE' ? Number(logIds[SITES[origin]!]) : -1));
    return this.views.idOf({ k: value.ack.k, joint: null, checked: false, listed });
  }

  topicAt(site: number, origin: number, partition: number): number {
    return (site * this.scope.sites + origin) * this.scope.partitions + partition;
  }

  copyAt(s: State, site: number, origin: number, partition: number): Copy {
    return this.records.copy(s.topics[this.topicAt(site, origin, partition)]!);
  }

  identityAt(s: State, site: number, origin: number): number {
    return s.identities[site * this.scope.sites + origin]!;
  }

  logIdsOf(identities: readonly number[], site: number): Record<string, string> {
    return Object.fromEntries(
      this.sites.map((origin) => [SITES[origin]!, String(identities[site * this.scope.sites + origin])]),
    );
  }

  /** The writer of an epoch; null: not begun, or stopped. */
  writerAt(s: State, epoch: number): WriterState | null {
    const writer = s.writers[epoch]!;
    return writer <= STOPPED ? null : this.writers.at(writer);
  }

  withWriter(s: State, epoch: number, writer: WriterState | null): State {
    return { ...s, writers: s.writers.with(epoch, writer === null ? STOPPED : this.writers.idOf(writer)) };
  }

  /** Records of an epoch that were acked in a partition. */
  ackedAt(s: State, epoch: number, partition: number): string {
    return this.runs.at(s.acked[epoch * this.scope.partitions + partition]!);
  }

  withAcked(s: State, epoch: number, partition: number, run: string): State {
    return { ...s, acked: s.acked.with(epoch * this.scope.partitions + partition, this.runs.idOf(run)) };
  }

  /** The state with a record at the end of a topic. */
  appended(s: State, topic: number, character: string): State {
    return { ...s, topics: s.topics.with(topic, this.records.extended(s.topics[topic]!, character)) };
  }

  /** Where an epoch's writer is; −1: not begun. */
  originOf(s: State, epoch: number): number {
    const term = this.registers.at(s.register).terms.find((r) => r.epoch === epoch);
    return term === undefined ? -1 : siteNumber(term.site);
  }

  headAt(s: State, site: number, origin: number, partition: number): CopyHead {
    const { epoch, seq, chain } = this.copyAt(s, site, origin, partition).logHead;
    return { epoch, seq, chain };
  }

  /** What `copies/:keyspace` answers. */
  copiesOf(s: State, site: number): SiteCopies {
    return this.#copies.of(this.#textAt(s, site), () => this.#copiesOf(s, site));
  }

  /** All that a site's answers depend on. */
  #textAt(s: State, site: number): string {
    const { sites, partitions } = this.scope;
    const topics = s.topics.slice(site * sites * partitions, (site + 1) * sites * partitions);
    return `${site};${s.identities.slice(site * sites, (site + 1) * sites).join()};${topics.join(';')}`;
  }

  #copiesOf(s: State, site: number): SiteCopies {
    const copies = this.sites.map((origin) => ({
      origin: SITES[origin]!,
      logId: String(this.identityAt(s, site, origin)),
      trusted: true,
      vouched: 'itself',
      positions: this.partitions.map((partition) => {
        const { epoch, seq, chain } = this.headAt(s, site, origin, partition);
        return [epoch, seq, chain] as const;
      }),
    }));
    return { site: SITES[site]!, copies };
  }

  /** Rule 12's gate: whether a site's word on `epoch` is worth anything in a partition. */
  passesGate(s: State, site: number, epoch: number, partition: number): boolean {
    const { terms } = this.registers.at(s.register);
    if (terms[0]!.epoch >= epoch) return true;
    return this.#gates.of(`${s.register};${epoch};${partition};${this.#textAt(s, site)}`, () => {
      const holds = ({ site: origin, epoch: earlier, epochEnds }: Term): boolean => {
        const at = { epoch: earlier, seq: epochEnds?.[partition]?.seq ?? -1 };
        return at.seq < 0 || comparePositions(this.headAt(s, site, siteNumber(origin), partition), at) >= 0;
      };
      const origin = SITES[this.originOf(s, epoch)]!;
      return promisable(origin, partition, { epoch, seq: 0 }, terms, holds).seq >= 0;
    });
  }

  /** The record that begins an epoch in a partition. */
  startOf(s: State, epoch: number, partition: number): string {
    const key = (s.register * 16 + epoch) * 4 + partition;
    return this.#starts.of(key, () => this.#startOf(s, epoch, partition));
  }

  #startOf(s: State, epoch: number, partition: number): string {
    const value = this.registers.at(s.register);
    const origin = this.originOf(s, epoch);
    const endOf = (term: Term | null): End => {
      const epochEnd = term?.epochEnds?.[partition];
      return term === null || epochEnd === undefined ? NOTHING : { site: term.site, epoch: term.epoch, ...epochEnd };
    };
    const previous = endOf(termBefore(value, epoch, partition));
    const own = endOf(termBefore(value, epoch, partition, SITES[origin]!));
    return this.records.start({ origin, partition }, epoch, previous, own);
  }

  nameOf(topic: number): string {
    const partition = topic % this.scope.partitions;
    const copy = (topic - partition) / this.scope.partitions;
    const [site, origin] = [Math.floor(copy / this.scope.sites), copy % this.scope.sites];
    const where = partition === 0 ? '' : `/${partition}`;
    return site === origin ? `log.${SITES[site]}${where}` : `${SITES[site]}'s mirror.${SITES[origin]}${where}`;
  }
}

export function siteNumber(name: string): number {
  return SITES.indexOf(name as (typeof SITES)[number]);
}
