/** Every mutant there is. */

import { APPLYING } from './applying.ts';
import { COPYING } from './copying.ts';
import { ELECTING } from './electing.ts';
import { FORGETTING_MUTANTS } from './forgetting.ts';
import { LEASING } from './leasing.ts';
import type { Mutant } from './mutant.ts';
import { REGISTERING } from './registering.ts';
import { RETURNING } from './returning.ts';
import { WRITING } from './writing.ts';

export type { Mutant } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [
  ...WRITING,
  ...COPYING,
  ...APPLYING,
  ...ELECTING,
  ...REGISTERING,
  ...RETURNING,
  ...LEASING,
  ...FORGETTING_MUTANTS,
];
