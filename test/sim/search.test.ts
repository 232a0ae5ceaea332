/**
 * Every way that elections, writers and mirrors can go, at small scope: the production decisions (`decide`, the
 * register's changes, `closureOf` and its kin, `promisable`, `committedSeq`) on records that are only tokens. Then each
 * rule is taken away, and the shortest story of what it prevented is told.
 */

import { describe, expect, it } from 'vitest';
import { searchWorld } from './search/breadth-first.ts';
import { ALL_RULES, without } from './search/rules.ts';
import { LARGE, NOT_MISSED, SCOPES, SHOWN_BY } from './search/scopes.ts';

const STATES_MAX = 20_000_000;

describe('elections, every way they can go at small scope', () => {
  const scopes = process.env.ELECTION_SEARCH === 'large' ? { ...SCOPES, ...LARGE } : SCOPES;
  for (const [name, scope] of Object.entries(scopes)) {
    it(`${name}: what was acked is in the epoch end and held, nothing conflicts, nothing is stuck`, {
      timeout: 3_600_000,
    }, () => {
      const { found, complete, states, moves, depth, seconds } = searchWorld(scope, ALL_RULES, STATES_MAX);
      console.log(`election search: ${name}: ${states} states, ${moves} moves, depth ${depth}, ${seconds} s`);
      expect(found).toBeNull();
      expect(complete).toBe(true);
    });
  }
});

describe('elections without one of their rules', () => {
  for (const { rule, scope, broken } of SHOWN_BY) {
    it(`${rule}: the search finds what it prevents`, { timeout: 300_000 }, () => {
      const { found, states } = searchWorld(scope, without(rule), STATES_MAX);
      console.log(`without ${rule}: ${states} states, ${found?.broken}:\n  ${found?.story.join('\n  ')}`);
      expect(found?.broken).toMatch(broken);
    });
  }

  for (const { rule, scope, why } of NOT_MISSED) {
    it(`${rule}: nothing is lost, as ${why}`, { timeout: 300_000 }, () => {
      const { found, complete, states } = searchWorld(scope, without(rule), STATES_MAX);
      console.log(`without ${rule}: ${states} states, nothing found`);
      expect({ found, complete }).toEqual({ found: null, complete: true });
    });
  }
});
