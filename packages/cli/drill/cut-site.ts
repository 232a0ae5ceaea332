/** A site cut off from the others for a while, under load: a short cut or a replica's moves nobody, a primary's does. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@tidemark/platform/fault';
import { settle } from './account.ts';
import { DrillLoad } from './drill-load.ts';
import { type DrillOptions, TAKEOVER_MS_MAX } from './kill-primary.ts';
import { type DrillReport, reportOf } from './report.ts';
import { takeBack } from './returned.ts';
import type { Stage } from './stage.ts';

/** The site that is cut off, and for how many ms. */
export type CutOptions = DrillOptions & { readonly site: string; readonly cutMs: number };

/** @throws {Fault} `invalid`: no such site, or no links to cut. `unavailable`: writes or the site did not come back. */
export async function cutOffSite(stage: Stage, options: CutOptions): Promise<DrillReport> {
  const startedMs = performance.now();
  const { folder, rate, batchRows, calmMs, say, cutMs } = options;
  const { name, url } = stage.site(options.site);
  const { links } = stage;
  if (links === null) throw new Fault('invalid', 'sites on the embedded engine have no network to cut: --engine kafka');
  await using load = new DrillLoad({ urls: stage.urls, keyspace: stage.keyspace, folder, batchRows, rate });
  const calmRows = (rate * calmMs) / 1_000;
  await load.more(calmRows, calmMs + TAKEOVER_MS_MAX);
  const before = await stage.primary(TAKEOVER_MS_MAX);
  say(`${name} is cut off from the others for ${cutMs} ms; ${before.site} is the primary`);
  const faultAtMs = Date.now();
  links.cutOff(name);
  const [successor] = await Promise.all([stage.successor(before, cutMs), sleep(cutMs)]);
  links.heal();
  say(successor === null ? 'it is healed, nobody took over' : `it is healed; ${successor.site} took over meanwhile`);
  const untilMs = Date.now();
  await load.more(calmRows, calmMs + TAKEOVER_MS_MAX);
  const now = await stage.primary(TAKEOVER_MS_MAX);
  const moved = now.epoch > before.epoch;
  const returned = moved && now.site !== name ? await takeBack({ name, url }, stage.keyspace) : null;
  const account = await settle(stage, folder, load, { faultAtMs, untilMs: Math.max(untilMs, Date.now() - calmMs) });
  return reportOf(account, {
    ...{ drill: `cut ${name} for ${cutMs} ms`, engine: stage.engine, ack: stage.file.ack, from: before.site, returned },
    ...{ faultAtMs, promotedAtMs: (successor ?? (moved ? now : null))?.seenAtMs ?? null },
    durationMs: Math.round(performance.now() - startedMs),
  });
}
