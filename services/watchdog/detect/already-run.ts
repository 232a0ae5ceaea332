/** What is said of a second process of a site. */

import type { Beat } from '@tidemark/control/heartbeats/heartbeat-store';
import { formatTimestamp } from '@tidemark/model/text/time';
import { Fault } from '@tidemark/platform/fault';

/** @param elder the newest beat of the one that was there before */
export function alreadyRun(site: string, { facts }: Beat): Fault {
  const since = formatTimestamp(Number(facts.beganMs ?? 0) * 1_000);
  const who = `site ${site} is run already, by a process that began at ${since} and answers at ${facts.url}`;
  return new Fault('unavailable', `${who}; this one began later and stops. One process of a site has its log.`);
}
