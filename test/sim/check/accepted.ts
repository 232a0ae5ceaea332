/** What operators accepted to lose, what they were told, and what was lost: never more than the one or the other. */

import type { Decision } from '@tidemark/control/audit/decision';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { SimWorld } from '../world.ts';
import type { Copies } from './copies.ts';
import type { History } from './history.ts';
import { isKept } from './settled.ts';

export class Accepted {
  /** Epoch that an election is to begin → the most rows that it may lose. */
  readonly #rowsMax = new Map<number, number>();
  /** Epoch that was closed with a loss → the one that followed it. */
  readonly #closedBy = new Map<number, number>();
  /** Epoch that began → rows that were told to be lost at most. */
  readonly #told = new Map<number, number>();

  /** Epochs that began with the word that what was lost before cannot be known: a log that lost its end with the power. */
  readonly #untold = new Set<number>();
  /** Site whose election waits for the others, or for a loss that somebody accepts, as it told last; null: none does. */
  waiting: string | null = null;

  /** What was chosen. */
  chosen({ election, terms }: RegisterValue): void {
    if (election !== null && election.loss !== null) this.#rowsMax.set(election.epoch, election.loss.rowsMax);
    const [before, newest] = [terms.at(-2), terms.at(-1)];
    if (before !== undefined && this.#rowsMax.has(newest!.epoch)) this.#closedBy.set(before.epoch, newest!.epoch);
  }

  decided({ outcome, epoch, lost, unknown, remedy }: Decision): void {
    if (outcome === 'done' && epoch !== null) this.waiting = null;
    this.waiting = remedy?.match(/failover --to (\S+) --accept-loss/)?.[1] ?? this.waiting;
    if (outcome === 'done' && epoch !== null && lost === null && unknown !== null) this.#untold.add(epoch);
    if (outcome === 'done' && epoch !== null && lost?.rows != null) this.#told.set(epoch, lost.rows);
  }

  /** Whether somebody accepted that what was acked in the epoch may be missing. */
  mayLack(epoch: number): boolean {
    return this.#closedBy.has(epoch);
  }

  /**
   * At the end.
   * @param unheardFromMs from when on a site that acks alone may not have been heard by the others: what it acked since
   *   then can only be estimated
   */
  check(world: SimWorld, history: History, copies: Copies, unheardFromMs: (site: string) => number): void {
    const lost = new Map<number, number>();
    for (const { id, outcome, returnedMs } of history.writes) {
      const record = outcome === 'acked' && !isKept(copies, id) ? copies.requests.get(id)?.at(-1) : undefined;
      if (record === undefined || returnedMs >= unheardFromMs(record.origin)) continue;
      if (record.body.kind === 'Mutate') lost.set(record.epoch, (lost.get(record.epoch) ?? 0) + record.body.rowCount);
    }
    for (const [epoch, by] of this.#closedBy) {
      if (this.#untold.has(by)) continue;
      const rows = lost.get(epoch) ?? 0;
      const told = this.#told.get(by) ?? Number.POSITIVE_INFINITY;
      const rowsMax = this.#rowsMax.get(by)!;
      if (rows <= told && (told <= rowsMax || told === Number.POSITIVE_INFINITY) && rows <= rowsMax) continue;
      world.fail('E5', `${rows} acked rows of epoch ${epoch} are lost, ${told} were told and ${rowsMax} accepted`);
    }
  }
}
