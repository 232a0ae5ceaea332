/** What is searched: in CI, at length, and for each rule the smallest world in which it is missed. */

import type { RuleName } from './rules.ts';
import { BASE, type Scope } from './scope.ts';

const scopeOf = (changed: Partial<Scope>): Scope => ({ ...BASE, ...changed });

/** Each is searched whole. A zombie primary and rival candidates are in all of them. */
export const SCOPES: Readonly<Record<string, Scope>> = {
  'three sites, k = 1, two elections': scopeOf({ flying: 0, writes: 1 }),
  'three sites, k = 1, an append long under way': scopeOf({ epochs: 2, writes: 1 }),
  'three sites, k = 2': scopeOf({ k: 2, epochs: 2, flying: 0 }),
  'three sites, k = 2, two elections': scopeOf({ k: 2, writes: 0, flying: 0 }),
  'two data sites and a witness': scopeOf({ sites: 2, kMin: 0, epochs: 3, writes: 1, flying: 0 }),
  'a topic loses its end': scopeOf({ epochs: 2, writes: 1, flying: 0, tails: 1 }),
  'k = 2, a topic loses its end': scopeOf({ k: 2, epochs: 2, writes: 1, flying: 0, tails: 1 }),
  'a site loses its disks and is readmitted': scopeOf({ epochs: 2, writes: 1, flying: 0, wipes: 1 }),
  'two partitions': scopeOf({ partitions: 2, epochs: 2, writes: 1, flying: 0 }),
  'two partitions, k changed in the commit': scopeOf({
    partitions: 2,
    levels: [1, 2],
    epochs: 2,
    writes: 1,
    flying: 0,
  }),
  'k changed in the commit, two elections': scopeOf({ levels: [1, 2], writes: 0, flying: 0 }),
  'k raised by the leading writer': scopeOf({ change: 2, levels: [1, 2], epochs: 2, writes: 1, flying: 0 }),
  'k lowered by the leading writer': scopeOf({ k: 2, change: 1, levels: [1, 2], epochs: 2, writes: 1, flying: 0 }),
  'a copy is put back to an older state': scopeOf({ epochs: 2, writes: 1, flying: 0, rollbacks: 1 }),
  'k = 2, a copy is put back to an older state': scopeOf({ k: 2, epochs: 2, writes: 1, flying: 0, rollbacks: 1 }),
  'the first election, and one more': scopeOf({ first: 1, epochs: 2, writes: 1, flying: 0 }),
};

/** For `npm run search -- --large`, and `ELECTION_SEARCH=large`. */
export const LARGE: Readonly<Record<string, Scope>> = {
  'three sites, k = 1, two elections, two writes': scopeOf({ flying: 0 }),
  'three sites, k = 1, two writes, an append long under way': scopeOf({ epochs: 2 }),
  'three sites, k = 2, two elections, a write': scopeOf({ k: 2, writes: 1, flying: 0 }),
  'two data sites and a witness, an append long under way': scopeOf({ sites: 2, kMin: 0, epochs: 3, writes: 1 }),
  'two data sites and a witness, three elections': scopeOf({ sites: 2, kMin: 0, epochs: 4, writes: 1, flying: 0 }),
  'a topic loses its end, two elections': scopeOf({ writes: 0, flying: 0, tails: 1 }),
  'a topic loses its end, an append long under way': scopeOf({ epochs: 2, writes: 1, tails: 1 }),
  'a site loses its disks, two elections': scopeOf({ writes: 0, flying: 0, wipes: 1 }),
  'k = 2, a site loses its disks': scopeOf({ k: 2, epochs: 2, writes: 1, flying: 0, wipes: 1 }),
  'two partitions, two writes': scopeOf({ partitions: 2, epochs: 2, flying: 0 }),
  'two partitions, an append long under way': scopeOf({ partitions: 2, epochs: 2, writes: 1 }),
  'k changed in the commit, two elections, a write': scopeOf({ levels: [1, 2], writes: 1, flying: 0 }),
  'k raised by the leading writer, two writes': scopeOf({ change: 2, levels: [1, 2], epochs: 2, flying: 0 }),
};

/** `broken`: what is found without the rule. */
export const SHOWN_BY: readonly { readonly rule: RuleName; readonly scope: Scope; readonly broken: RegExp }[] = [
  { rule: 'fence', scope: scopeOf({ flying: 0 }), broken: /acked and is not in the epoch end/ },
  { rule: 'own', scope: scopeOf({ flying: 0 }), broken: /acked and is not in the epoch end/ },
  { rule: 'quorum', scope: scopeOf({ flying: 0 }), broken: /acked and is not in the epoch end/ },
  { rule: 'cas', scope: scopeOf({ flying: 0 }), broken: /term 2 is gone/ },
  { rule: 'after', scope: scopeOf({ flying: 0 }), broken: /acked and is not in the epoch end/ },
  { rule: 'fresh', scope: scopeOf({ epochs: 2, flying: 0, tails: 1 }), broken: /two records at/ },
  { rule: 'doubt', scope: scopeOf({ epochs: 2, flying: 0, tails: 1 }), broken: /acked and is not in the epoch end/ },
  {
    rule: 'refence',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, tails: 1 }),
    broken: /acked and is not in the epoch end/,
  },
  { rule: 'gap', scope: scopeOf({ epochs: 2, writes: 1, tails: 1 }), broken: /accepts nothing any more/ },
  {
    rule: 'inc',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, wipes: 1 }),
    broken: /acked and is not in the epoch end/,
  },
  {
    rule: 'forget',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, wipes: 1 }),
    broken: /acked and is not in the epoch end/,
  },
  {
    rule: 'hole',
    scope: scopeOf({ flying: 0, writes: 1 }),
    broken: /skipped the end of epoch 1|no site holds the epoch end/,
  },
  { rule: 'late', scope: scopeOf({ flying: 0 }), broken: /can never finish epoch 1/ },
  {
    rule: 'hold',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, wipes: 1 }),
    broken: /no site holds the epoch end/,
  },
  {
    rule: 'whole',
    scope: scopeOf({ partitions: 2, epochs: 2, writes: 1, flying: 0 }),
    broken: /acked and is not in the epoch end/,
  },
  {
    rule: 'joint',
    scope: scopeOf({ change: 2, levels: [1, 2], epochs: 2, flying: 0 }),
    broken: /acked and is not in the epoch end/,
  },
  {
    rule: 'vouch',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, rollbacks: 1 }),
    broken: /acked and is not in the epoch end/,
  },
  {
    rule: 'birth',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, rollbacks: 1 }),
    broken: /acked and is not in the epoch end/,
  },
  {
    rule: 'floor',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, rollbacks: 1 }),
    broken: /acked and is not in the epoch end/,
  },
  {
    rule: 'ff',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, tails: 1 }),
    broken: /acked and is not in the epoch end/,
  },
];

/** Rules that no invariant of this search misses, and what they are for all the same. */
export const NOT_MISSED: readonly { readonly rule: RuleName; readonly scope: Scope; readonly why: string }[] = [
  {
    rule: 'pull',
    scope: scopeOf({ epochs: 2, writes: 1, flying: 0, wipes: 1 }),
    why: 'k + 1 members hold the epoch end without the candidate too: it would only begin to serve before it has what it serves',
  },
  {
    rule: 'gate',
    scope: scopeOf({ writes: 1, flying: 0 }),
    why: 'what each ack promises is held by k + 1 as it is; the gate makes the k that hold a record hold all before it too, so that any one of them can serve alone',
  },
];
