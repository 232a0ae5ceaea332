/** Where records of an origin can be copied from. */

import type { Log } from '@tidemark/log/log';

/** A topic that holds the origin's records: the origin's log, or another site's mirror of it. */
export type Source = { readonly site: string; readonly log: Log; readonly topic: string };
