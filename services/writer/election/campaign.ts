/** What an election is asked for, what it waits for, and how it ends. */

import type { LossRule } from '@tidemark/control/consensus/loss-rule';
import type { Cause } from '@tidemark/control/consensus/register-value';
import type { Loss } from '@tidemark/control/failover/loss';
import { Fault } from '@tidemark/platform/fault';
import type { Elected } from '../elected.ts';

/** What keeps an election open. */
export type Waiting = { readonly epoch: number; readonly why: string; readonly remedy: string };

/** Why this site stands, and what an operator allows it to lose. */
export type Campaign = {
  readonly cause: Cause;
  readonly reason: string;
  readonly loss: LossRule | null;
  /** Version of the register the reasons are of; null: of now. */
  readonly version: number | null;
  /** Of the decision that whoever nominated it stored; null: nobody did. */
  readonly decisionId?: string | null;
  /** For how long the election that it takes over has been open, as seen here, ms; not given: there is none. */
  readonly openMs?: number;
};

/** How long each step took, in ms. */
export type Phase = { readonly name: 'drained' | 'named' | 'fenced' | 'filled' | 'committed'; readonly ms: number };

/** How an election ended, with the time each phase took. */
export type Outcome =
  | { readonly kind: 'won'; readonly elected: Elected; readonly closed: Closed; readonly phases: readonly Phase[] }
  /** The register says otherwise: nothing was changed, or another candidate took over. */
  | { readonly kind: 'lost'; readonly reason: string; readonly phases: readonly Phase[] }
  /** It would lose more than was accepted: the election was withdrawn, and the term before stands. */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly remedy: string;
      readonly phases: readonly Phase[];
    };

/** What a won election ended. */
export type Closed = {
  /** Site of the term before; null when there was none. */
  readonly from: string | null;
  readonly epoch: number;
  readonly how: string;
  /** What was acked and is not kept, at most; null: nobody could tell. */
  readonly lost: Loss | null;
  /** What no site could tell any more: whether something acked was lost; null: nothing was beyond `lost`. */
  readonly unknown: string | null;
};

/** A copy of this site has to be filled before it can lead, and others write. `conflict` to whoever asked it to stand. */
export class UnfitToStand extends Fault {
  constructor(message: string) {
    super('conflict', message);
  }
}
