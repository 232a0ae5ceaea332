/** How long a watchdog waits for what, and the rules that follow from it. */

import { AGREEMENT_RULES } from '@tidemark/control/failover/agreement';
import { POLICY_RULES } from '@tidemark/control/failover/failover-policy';
import { SUSPICION_RULES } from '@tidemark/control/failover/suspicion';

/** All in ms. */
export type WatchdogLimits = {
  readonly probeEveryMs: number;
  readonly suspectAfterMs: number;
  readonly suspicionStableMs: number;
  readonly failoverEveryMsMin: number;
};

/** The rules of suspicion and failover by these limits. */
export function rulesOf({ probeEveryMs, suspectAfterMs, suspicionStableMs, failoverEveryMsMin }: WatchdogLimits) {
  // Who may be moved automatically at short intervals is not held down for longer.
  const holdDownMs = Math.min(POLICY_RULES.holdDownMs, failoverEveryMsMin);
  const suspicion = { ...SUSPICION_RULES, tickEveryMs: probeEveryMs, suspectAfterMs };
  return { ...suspicion, ...AGREEMENT_RULES, suspicionStableMs, failoverEveryMsMin, holdDownMs };
}
