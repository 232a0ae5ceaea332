/** What the applier needs of the rest of its site and of the other sites, to compare, to return and to take others back. */

import type { Decision } from '@tidemark/control/audit/decision';
import type { Register } from '@tidemark/control/consensus/register';
import type { Owner } from '@tidemark/control/consensus/register-changes';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { Position } from '@tidemark/model/position';
import type { Network } from '@tidemark/platform/network';

/** The register, the writer's term and the other sites, as functions that the site passes in. */
export type Membership = {
  /** Finds sites by what `placeOf` says. */
  readonly network: Network;
  /** The newest value known here; null while there is none. */
  readonly registerValue: (keyspace: string) => RegisterValue | null;
  readonly register: (keyspace: string) => Register;
  /** The term of this process's writer; null while it has none. */
  readonly termOf: (keyspace: string) => Owner | null;
  /** How far that term is committed, by partition; null likewise. */
  readonly committedOf: (keyspace: string) => readonly Position[] | null;
  /** Keeps what was decided; never keeps whoever decides waiting. */
  readonly record: (decision: Decision) => void;
};
