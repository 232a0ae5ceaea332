/** What a site of a simulated cluster finds around it. */

import type { SimHeartbeats } from '@tidemark/control/testing/sim-heartbeat-store';
import type { SimLogStore } from '@tidemark/log/sim/sim-log';
import type { Chances } from '../chances.ts';
import type { Shape } from '../shape.ts';
import type { Trace } from '../trace.ts';
import type { Exchange } from './exchange.ts';
import type { Links } from './links.ts';
import type { Scheduler } from './scheduler.ts';

/** The part of a run's world that its sites are told of. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly random: Chances;
  readonly links: Links;
  readonly exchange: Exchange;
  readonly siteNames: readonly string[];
  readonly shape: Shape;
  /** Told of the fields of every line that a process logs. */
  readonly onLog: (site: string, fields: object) => void;
  /** What of a site others reach by themselves. */
  site(name: string): { readonly store: SimLogStore; readonly board: SimHeartbeats };
  /** A promise was broken. */
  fail(rule: string, words: string): void;
}
