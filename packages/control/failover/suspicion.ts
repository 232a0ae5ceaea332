/**
 * Whether this site takes the primary of a keyspace for lost (protocol E10). Pure: `(state, event) → (state, effects)`.
 *
 * Three signs of life that share no part of the way here: BARRIERs of the primary's term, read from its log by the
 * mirror; answers to probes of its HTTP; new heartbeats in its heartbeat store. It is suspected only while every sign that can be
 * measured here has been silent for longer than the limit. A sign of which there was never anything to hear (a witness has
 * no copy of the log; no heartbeat was ever seen to change) is left out: it neither proves life nor death. A heartbeat store that
 * is lost or forgets is no news either way: the last heartbeat ages like a silent one. So with every heartbeat store gone, the
 * barriers and the probes decide, and a primary that still has one of them is never suspected. The probe can always be
 * measured and is never left out.
 *
 * Half of that silence is enough where the primary's machine says that nobody listens there: each probe that ended in the
 * last half second was turned away. A link that is cut, or a machine that is lost, says nothing, and is given the whole limit.
 *
 * Silence counts only while this process listened. One whose loop was held up, or that was stopped for a while, abstains
 * and begins to listen anew. A primary that this process has never heard is given longer: when everything starts at once,
 * being last is no crime. All times are on its own monotonic clock; none is compared with another machine's.
 */

export type SuspicionRules = {
  /** Silence of every sign after which the primary is suspected; exactly this long is still alive. */
  readonly suspectAfterMs: number;
  /** How often `tick` comes. */
  readonly tickEveryMs: number;
  /** Whoever was held up for longer than this did not listen. */
  readonly heldUpMsMax: number;
  /** How much longer a primary may be silent that was never heard since this process started. */
  readonly startGraceMs: number;
};

/** Limits that run, in ms: 2.5 s without any sign is suspicion, 1.25 s of a process that is gone; not in the first 10 s of this one. */
export const SUSPICION_RULES: SuspicionRules = {
  suspectAfterMs: 2_500,
  tickEveryMs: 250,
  heldUpMsMax: 1_000,
  startGraceMs: 10_000,
};

/** The silence that is enough where every probe is turned away. */
export function goneAfterMs({ suspectAfterMs }: SuspicionRules): number {
  return suspectAfterMs / 2;
}

/** How long every probe must have been turned away until the primary's process counts as gone: two probes at least. */
export function turnedAwayForMs({ suspectAfterMs, tickEveryMs }: SuspicionRules): number {
  return Math.max(2 * tickEveryMs, suspectAfterMs / 5);
}

/** What was heard of one keyspace's primary so far; all times are of the own monotonic clock, ms. */
export type SuspicionState = {
  /** Of the term that is judged; 0 before there is one. */
  readonly epoch: number;
  /** True where this site has a copy of the primary's log to hear barriers in. */
  readonly hasCopy: boolean;
  /** Since when this process has listened to this term without a break. */
  readonly listeningMs: number;
  readonly tickMs: number;
  /** When the newest sign of each kind came; null: never in this term (a barrier), or at all. */
  readonly barrierMs: number | null;
  readonly beatMs: number | null;
  /** The first probe asked since the last answer; null when none is. */
  readonly unansweredMs: number | null;
  /** Since when each probe that ended was turned away; null when the last one was not. */
  readonly turnedAwayMs: number | null;
  readonly wasAsked: boolean;
  /** True once this process has had a sign of life of any primary of the keyspace. */
  readonly wasHeard: boolean;
  readonly abstains: { readonly untilMs: number; readonly reason: string } | null;
  /** As the last tick found it. */
  readonly suspects: boolean;
};

/** One thing that happened, with when on the own monotonic clock; ticks come even when nothing does. */
export type SuspicionEvent =
  /** A new term, or the first one heard of: its primary has all its time to be heard. */
  | { readonly kind: 'term'; readonly epoch: number; readonly hasCopy: boolean; readonly nowMs: number }
  /** A new BARRIER of that epoch arrived; of any other epoch it is no sign of this primary. */
  | { readonly kind: 'barrier'; readonly epoch: number; readonly nowMs: number }
  | { readonly kind: 'beat'; readonly nowMs: number }
  | { readonly kind: 'asked'; readonly nowMs: number }
  | { readonly kind: 'answered'; readonly nowMs: number }
  /** A probe ended without an answer; `isTurnedAway`: its connection was refused, so its machine lives. */
  | { readonly kind: 'unanswered'; readonly isTurnedAway: boolean; readonly nowMs: number }
  /** `heldUpMs`: the longest this process's loop was held up since the last tick, as far as it was measured. */
  | { readonly kind: 'tick'; readonly heldUpMs: number; readonly nowMs: number };

/** What changed with a tick, for whoever acts and for the log. */
export type SuspicionEffect =
  | { readonly kind: 'suspects' }
  | { readonly kind: 'hears' }
  | { readonly kind: 'abstains'; readonly reason: string };

type SuspicionStep = { readonly state: SuspicionState; readonly effects: readonly SuspicionEffect[] };

/** The state of a process that begins to listen now and knows of no term. */
export function startSuspicion(nowMs: number): SuspicionState {
  return {
    epoch: 0,
    hasCopy: false,
    listeningMs: nowMs,
    tickMs: nowMs,
    barrierMs: null,
    beatMs: null,
    unansweredMs: null,
    turnedAwayMs: null,
    wasAsked: false,
    wasHeard: false,
    abstains: null,
    suspects: false,
  };
}

/** The state after the event, and what to tell others of; only ticks judge. */
export function stepSuspicion(state: SuspicionState, event: SuspicionEvent, rules: SuspicionRules): SuspicionStep {
  const { nowMs } = event;
  switch (event.kind) {
    case 'term': {
      const { epoch, hasCopy } = event;
      if (epoch === state.epoch && hasCopy === state.hasCopy) return { state, effects: [] };
      const { abstains, wasHeard } = state;
      return { state: { ...startSuspicion(nowMs), epoch, hasCopy, abstains, wasHeard }, effects: [] };
    }
    case 'barrier':
      if (event.epoch !== state.epoch) return { state, effects: [] };
      return { state: { ...state, barrierMs: nowMs, wasHeard: true }, effects: [] };
    case 'beat':
      return { state: { ...state, beatMs: nowMs, wasHeard: true }, effects: [] };
    case 'asked':
      return { state: { ...state, wasAsked: true, unansweredMs: state.unansweredMs ?? nowMs }, effects: [] };
    case 'answered':
      return { state: { ...state, unansweredMs: null, turnedAwayMs: null, wasHeard: true }, effects: [] };
    case 'unanswered': {
      const turnedAwayMs = event.isTurnedAway ? (state.turnedAwayMs ?? nowMs) : null;
      return { state: { ...state, turnedAwayMs }, effects: [] };
    }
    case 'tick':
      return tick(state, event, rules);
  }
}

function tick(before: SuspicionState, { nowMs, heldUpMs }: SuspicionEvent & { kind: 'tick' }, rules: SuspicionRules) {
  const lateMs = Math.max(heldUpMs, nowMs - before.tickMs - rules.tickEveryMs);
  const wasHeldUp = lateMs > rules.heldUpMsMax;
  const over = before.abstains !== null && nowMs >= before.abstains.untilMs;
  const reason = `its own loop was held up for ${(lateMs / 1_000).toFixed(1)} s`;
  const abstains = wasHeldUp ? { untilMs: nowMs + rules.suspectAfterMs, reason } : over ? null : before.abstains;
  const listeningMs = wasHeldUp ? nowMs : before.listeningMs;
  const state = { ...before, tickMs: nowMs, abstains, listeningMs };
  const suspects = suspectedForMs(state, nowMs, rules) > 0;
  const effects: SuspicionEffect[] = [];
  if (wasHeldUp) effects.push({ kind: 'abstains', reason });
  if (suspects !== before.suspects) effects.push({ kind: suspects ? 'suspects' : 'hears' });
  return { state: { ...state, suspects }, effects };
}

/** Silence of each sign in ms; null for one that cannot be measured here. */
export type Signs = { readonly dataMs: number | null; readonly probeMs: number | null; readonly beatMs: number | null };

function signsOf(state: SuspicionState, nowMs: number): Signs {
  const since = (heardMs: number | null): number => Math.max(0, nowMs - Math.max(heardMs ?? 0, state.listeningMs));
  return {
    dataMs: state.hasCopy ? since(state.barrierMs) : null,
    probeMs: !state.wasAsked ? null : state.unansweredMs === null ? 0 : since(state.unansweredMs),
    beatMs: state.beatMs === null ? null : since(state.beatMs),
  };
}

/** How long the sign that was heard last has been silent, in ms; null: none can be measured. */
export function silenceOf({ dataMs, probeMs, beatMs }: Signs): number | null {
  const measured = [dataMs, probeMs, beatMs].filter((ms) => ms !== null);
  return measured.length === 0 ? null : Math.min(...measured);
}

/** For how long the primary has been suspected without a break; 0 while it is not. */
function suspectedForMs(state: SuspicionState, nowMs: number, rules: SuspicionRules): number {
  const signs = signsOf(state, nowMs);
  const shortestMs = silenceOf(signs);
  if (state.epoch === 0 || state.abstains !== null || signs.probeMs === null || shortestMs === null) return 0;
  const graceMs = state.wasHeard ? 0 : rules.startGraceMs;
  const turnedAwayMs = state.turnedAwayMs === null ? 0 : nowMs - Math.max(state.turnedAwayMs, state.listeningMs);
  const goneMs = Math.min(shortestMs - goneAfterMs(rules) - graceMs, turnedAwayMs - turnedAwayForMs(rules));
  return Math.max(0, shortestMs - rules.suspectAfterMs - graceMs, goneMs);
}

/** What a site answers when another asks it about the primary of a keyspace. */
export type HealthVote = {
  readonly site: string;
  /** Of the term it speaks of. */
  readonly epoch: number;
  readonly suspects: boolean;
  /** For how long without a break; 0 when it does not suspect. */
  readonly sinceMs: number;
  readonly signs: Signs;
  /** Why its health vote does not count; null when it does. */
  readonly abstains: string | null;
};

/** Call after a `tick` of the same moment: a process that was stopped must notice it before it judges. */
export function healthVoteOf(site: string, state: SuspicionState, nowMs: number, rules: SuspicionRules): HealthVote {
  const sinceMs = suspectedForMs(state, nowMs, rules);
  const reason = state.epoch === 0 ? 'it knows of no term yet' : (state.abstains?.reason ?? null);
  return { site, epoch: state.epoch, suspects: sinceMs > 0, sinceMs, signs: signsOf(state, nowMs), abstains: reason };
}

/** Of the primary's own site: who is asked there and answers is not lost. */
export function voteOnItself(site: string, epoch: number): HealthVote {
  const signs = { dataMs: null, probeMs: null, beatMs: null };
  return { site, epoch, suspects: false, sinceMs: 0, signs, abstains: null };
}
