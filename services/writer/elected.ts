/** The term that a writer is elected to. */

import type { RegisterValue } from '@tidemark/control/consensus/register-value';

/** The term a writer was elected to, as the register has it from the commit on. */
export type Elected = { readonly value: RegisterValue; readonly epoch: number; readonly writerId: string };
