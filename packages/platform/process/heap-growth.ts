/** When V8 collects everything: a setting of the whole process. */

import { setFlagsFromString } from 'node:v8';

/**
 * Full collections come when what is held, the heap and its arrays together, is three times what the last one left. By
 * itself V8 comes back at a tenth or a quarter more when much is allocated, as it takes arrays for work that a
 * collection could save; those of a store are mostly still needed, and looking for others cost a fifth of its time.
 * Arrays that are no longer needed are bounded as before: 64 MB of new ones lead to a collection too.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=200');
}
