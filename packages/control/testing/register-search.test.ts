import { describe, expect, it } from 'vitest';
import { type RegisterRules, RULES } from '../consensus/register-rules.ts';
import { type Aim, keyOf, movesFrom, type Scope, startOf } from './register-model.ts';
import { type Searched, search } from './search.ts';

const STATES_MAX = 4_000_000;
const SMALL: Scope = {
  aims: ['change', 'loner'],
  rounds: 1,
  mute: 1,
  late: 1,
  restarts: 0,
  wipes: 0,
  reads: 0,
  forges: 0,
  founded: true,
  sites: 3,
};
const scopeOf = (aims: readonly Aim[], more: Partial<Scope> = {}): Scope => ({ ...SMALL, aims, ...more });

function searched(scope: Scope, rules: RegisterRules = RULES): Searched {
  const moves = (state: ReturnType<typeof startOf>) => movesFrom(state, scope, rules);
  return search({ start: startOf(scope), moves, key: keyOf, broken: (state) => state.broken }, STATES_MAX);
}

/** What a search in CI has the time for; `REGISTER_SEARCH=large` looks further. */
const SCOPES: Readonly<Record<string, Scope>> = {
  'rivals, a lost answer, a late request, a read': scopeOf(['change', 'loner'], { reads: 1 }),
  'rivals that try twice': scopeOf(['change', 'loner'], { rounds: 2, late: 0 }),
  'a change and a read that writes': scopeOf(['change', 'read'], { reads: 1 }),
  'a proposer that starts anew': scopeOf(['change', 'loner'], { restarts: 1 }),
  'the first change, with an acceptor that loses everything': scopeOf(['change', 'loner'], {
    founded: false,
    wipes: 1,
  }),
  'a value that nobody made': scopeOf(['change', 'loner'], { forges: 2, reads: 1, late: 0 }),
  'an acceptor that loses everything and is let in again': scopeOf(['change', 'operator'], { wipes: 1, reads: 1 }),
  'acceptors of four that count, let in all the same': scopeOf(['needless', 'needless'], {
    mute: 0,
    sites: 4,
    late: 0,
    founded: 'torn',
  }),
  'one that is lost let in beside one that is not': scopeOf(['operator', 'needless'], {
    mute: 0,
    sites: 4,
    late: 0,
    founded: 'torn',
    wipes: 1,
  }),
  'the same of four, let in by two of the three others': scopeOf(['change', 'operator'], {
    wipes: 1,
    sites: 4,
    late: 0,
  }),
};
const LARGE: Readonly<Record<string, Scope>> = {
  'rivals that try twice, late requests': scopeOf(['change', 'loner'], { rounds: 2 }),
  'the first change, tried twice': scopeOf(['change', 'loner'], { rounds: 2, founded: false }),
  'three rivals, one of them lets in a new acceptor': scopeOf(['change', 'loner', 'operator'], { wipes: 1 }),
  'the same, with a proposer that starts anew': scopeOf(['change', 'operator'], { wipes: 1, restarts: 1, reads: 1 }),
  'letting in a new acceptor of four, with a read and late requests': scopeOf(['change', 'operator'], {
    wipes: 1,
    sites: 4,
    reads: 1,
  }),
  'letting in a new acceptor, tried twice': scopeOf(['change', 'operator'], { wipes: 1, rounds: 2, late: 0 }),
};

/** For each rule, the smallest scope in which taking it away shows. */
const SHOWN_BY: Readonly<Record<keyof RegisterRules, Scope>> = {
  preparesRise: scopeOf(['change', 'loner']),
  promisesHold: scopeOf(['change', 'loner']),
  acceptPromises: scopeOf(['change', 'loner'], { rounds: 2, late: 0 }),
  highestWins: scopeOf(['change', 'loner']),
  majorities: scopeOf(['change', 'loner']),
  identities: scopeOf(['change', 'loner'], { wipes: 1 }),
  newcomersMeetAll: scopeOf(['change', 'operator'], { wipes: 1, sites: 4, late: 0 }),
  newcomersOnly: scopeOf(['needless', 'needless'], { mute: 0, sites: 4, late: 0, founded: 'torn' }),
  foundingByAll: scopeOf(['change', 'loner'], { wipes: 1, founded: false }),
  readsAgree: scopeOf(['change', 'loner'], { reads: 1 }),
  changesSought: scopeOf(['change', 'loner'], { rounds: 2 }),
  refusalsSettle: scopeOf(['change', 'loner'], { rounds: 2, mute: 0 }),
  valuesFollow: scopeOf(['change'], { reads: 1, forges: 2, mute: 0, late: 0 }),
};

describe('the register, every way it can go at small scope', () => {
  const scopes = process.env.REGISTER_SEARCH === 'large' ? { ...SCOPES, ...LARGE } : SCOPES;
  for (const [name, scope] of Object.entries(scopes)) {
    it(`${name}: one history, nothing made twice, nothing read that is old`, { timeout: 1_800_000 }, () => {
      const { states, moves, depth, complete, found } = searched(scope);
      console.log(`register search: ${name}: ${states} states, ${moves} moves, depth ${depth}, complete ${complete}`);
      expect(found).toBeNull();
      expect(complete).toBe(true);
    });
  }
});

describe('a register without one of its rules', () => {
  for (const [rule, scope] of Object.entries(SHOWN_BY)) {
    it(`${rule}: the search finds what goes wrong`, { timeout: 60_000 }, () => {
      const { found, states } = searched(scope, { ...RULES, [rule]: false });
      console.log(`without ${rule}: ${states} states, ${found?.broken}: ${found?.story.join(', ')}`);
      expect(found).not.toBeNull();
    });
  }
});
