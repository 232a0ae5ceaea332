/** The rules of the protocol that can be taken away one at a time, to see what each is for. */

export const RULES = {
  fence: '`durable` counts only records that no fence above their epoch precedes in the copy',
  own: 'the writer counts its own log only up to a fence, and stops there',
  quorum: 'a closure without the origin needs all data members but k',
  cas: 'the commit goes through only while the register names this very election',
  after: 'heads are read after the fence was read back',
  fresh: 'a new writer process never goes on with an epoch that another began',
  doubt: 'a topic that lost its end gets another identity',
  refence: 'such a topic counts again only when the primary readmits its site',
  gap: 'a record beyond a gap is ignored, and the topic goes on',
  inc: "`durable` counts only from topics of the identities that the writer's register lists",
  forget: 'with its new identity, all that a readmitted site had confirmed is forgotten',
  hole: "the start of an epoch also names the end of its own origin's last one, and is taken only there",
  late: 'records of a fenced epoch are still copied and accepted',
  pull: 'the candidate holds everything up to the epoch end before the commit',
  hold: 'k other trusted members do too',
  gate: '`durable` of an epoch is told only where every earlier epoch end is held',
  joint: 'while k is being changed, acks satisfy both',
  whole: 'heads are told only when every partition is fenced',
  vouch: 'a copy that its process began with closes a term only where somebody vouches for it',
  birth: 'a process promises nothing of terms that were closed, or being closed, when it began',
  floor: 'a writer vouches only for what holds all that it counted',
  ff: 'a fence that was read back is flushed: it is not lost unnoticed',
} as const;

export type RuleName = keyof typeof RULES;
export type Rules = Readonly<Record<RuleName, boolean>>;

export const ALL_RULES: Rules = Object.fromEntries(Object.keys(RULES).map((name) => [name, true])) as Rules;

export function without(...names: readonly RuleName[]): Rules {
  return { ...ALL_RULES, ...Object.fromEntries(names.map((name) => [name, false])) };
}
