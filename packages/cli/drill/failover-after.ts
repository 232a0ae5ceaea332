/** Which of the stored decisions answered a fault. Pure. */

import type { Decision } from '@tidemark/control/audit/decision';

/** The failover that followed a fault, among all decisions; null when none did. */
export function failoverAfter(decisions: readonly Decision[], faultAtMs: number): Decision | null {
  const since = decisions.filter(({ atMs, kind }) => atMs >= faultAtMs && (kind === 'failover' || kind === 'takeover'));
  return since.find(({ outcome }) => outcome === 'done') ?? since.at(-1) ?? null;
}
