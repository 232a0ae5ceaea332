import { isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DECISION_KINDS,
  DECISION_OUTCOMES,
  type Decision,
  decodeDecision,
  encodeDecision,
  historyOf,
  joinDecisions,
  NOTHING_ELSE,
} from './decision.ts';
import { explain } from './decision-words.ts';

const SITES = ['paris', 'tokyo', 'quito'];
const silence = fc.option(fc.nat(60_000));
const sighting = fc.record({
  site: fc.constantFrom(...SITES),
  suspects: fc.boolean(),
  sinceMs: fc.nat(9_000),
  signs: fc.record({ dataMs: silence, probeMs: silence, beatMs: silence }),
  abstains: fc.option(fc.constant('its own loop was held up for 1,400 ms')),
});
const amount = fc.option(fc.record({ records: fc.nat(1_000), rows: fc.option(fc.nat(9_000)) }));
const sentence = fc.option(fc.constantFrom('writes stood still for 4.2 s', 'a witness with a vote'));
const decisions: fc.Arbitrary<Decision> = fc.record({
  id: fc.constantFrom('a1', 'b2'),
  atMs: fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }),
  site: fc.constantFrom(...SITES),
  keyspace: fc.constant('travel'),
  kind: fc.constantFrom(...DECISION_KINDS),
  outcome: fc.constantFrom(...DECISION_OUTCOMES),
  rule: fc.constant('E10'),
  from: fc.option(fc.constantFrom(...SITES)),
  to: fc.option(fc.constantFrom(...SITES)),
  epoch: fc.option(fc.nat(9)),
  saw: fc.uniqueArray(sighting, { maxLength: 3, selector: ({ site }) => site }),
  phases: fc.uniqueArray(fc.record({ name: fc.constantFrom('detection', 'fencing', 'commit'), ms: fc.nat(9_000) }), {
    maxLength: 3,
    selector: ({ name }) => name,
  }),
  kept: amount,
  lost: amount,
  unknown: sentence,
  cost: sentence,
  wouldHavePrevented: sentence,
  remedy: sentence,
  words: fc.constantFrom('', 'an operator asked for it'),
});

const FAILOVER: Decision = {
  ...NOTHING_ELSE,
  id: 'a1',
  atMs: 1_700_000_000_123,
  site: 'quito',
  keyspace: 'travel',
  kind: 'failover',
  outcome: 'begun',
  rule: 'a primary that a majority of sites hears by no sign for 2.5 s, and then for another second, is taken for lost',
  from: 'paris',
  to: 'tokyo',
  saw: [
    {
      site: 'quito',
      suspects: true,
      sinceMs: 1_020,
      signs: { dataMs: 3_700, probeMs: 3_520, beatMs: null },
      abstains: null,
    },
    {
      site: 'tokyo',
      suspects: true,
      sinceMs: 1_100,
      signs: { dataMs: 3_700, probeMs: 3_600, beatMs: 4_010 },
      abstains: null,
    },
  ],
  phases: [{ name: 'detection', ms: 3_540 }],
  words: 'two of three sites agreed that paris was lost',
};
const PROMOTED: Decision = {
  ...FAILOVER,
  site: 'tokyo',
  outcome: 'done',
  epoch: 4,
  saw: [],
  phases: [
    { name: 'fencing', ms: 212 },
    { name: 'commit', ms: 60 },
  ],
  kept: { records: 812, rows: 40_600 },
  lost: { records: 0, rows: 0 },
  cost: 'writes stood still for 3.9 s',
  wouldHavePrevented: 'nothing short of keeping paris up',
};

describe('decision', () => {
  it('is read as it was written, and what is none is refused with the place', () => {
    fc.assert(fc.property(decisions, (one) => void expect(decodeDecision(encodeDecision(one))).toEqual(one)));
    for (const text of ['{', '{}', encodeDecision({ ...FAILOVER, kind: 'coup' as 'pause' })]) {
      try {
        decodeDecision(text);
        expect.unreachable();
      } catch (error) {
        expect(isFault(error, 'corrupt')).toBe(true);
      }
    }
  });

  it('parts in any order, any of them repeated, join to one', () => {
    const parts = fc.array(decisions, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(parts, fc.infiniteStream(fc.nat()), (all, order) => {
        const joined = joinDecisions(all);
        const shuffled = [...all, all[0]!]
          .map((part) => [order.next().value as number, part] as const)
          .sort(([a], [b]) => a - b)
          .map(([, part]) => part);
        expect(joinDecisions(shuffled)).toEqual(joined);
        const sites = new Set(all.flatMap((part) => part.saw.map(({ site }) => site)));
        expect(joined.saw.map(({ site }) => site).sort()).toEqual([...sites].sort());
      }),
    );
  });

  it('joined, the end is the candidate’s and what was seen is the nominator’s', () => {
    const [joined] = historyOf([PROMOTED, FAILOVER]);
    expect(joined).toMatchObject({ outcome: 'done', epoch: 4, saw: FAILOVER.saw, kept: { records: 812 } });
    expect(joined!.phases.map(({ name }) => name)).toEqual(['detection', 'fencing', 'commit']);
  });

  it('history is newest first, one for each id', () => {
    fc.assert(
      fc.property(fc.array(decisions, { maxLength: 8 }), (all) => {
        const told = historyOf(all);
        expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
        for (let i = 1; i < told.length; i++) expect(told[i]!.atMs).toBeLessThanOrEqual(told[i - 1]!.atMs);
      }),
    );
  });
});

describe('explain', () => {
  it('tells a failover to somebody who was not there', () => {
    expect(explain(historyOf([FAILOVER, PROMOTED])[0]!)).toBe(
      'On 2023-11-14 at 22:13:20.123 UTC, keyspace travel moved from paris to tokyo, which writes in epoch 4 since then. ' +
        'Two of three sites agreed that paris was lost. ' +
        'quito had heard nothing of paris: no barrier for 3.7 s, no answer to a probe for 3.5 s and no heartbeat that could ' +
        'be read; it had suspected it for 1.0 s. ' +
        'tokyo had heard nothing of paris: no barrier for 3.7 s, no answer to a probe for 3.6 s and no heartbeat for 4.0 s; ' +
        'it had suspected it for 1.1 s. ' +
        'The rule: a primary that a majority of sites hears by no sign for 2.5 s, and then for another second, is taken for ' +
        'lost. It took 3.8 s: 3.5 s for detection, 0.2 s for fencing and 0.1 s for commit. ' +
        '812 records with 40600 rows of the epoch that ended were kept, and nothing acked was lost. ' +
        'Writes stood still for 3.9 s. What would have prevented it: nothing short of keeping paris up.',
    );
  });

  it('whatever was decided, says the keyspace, both sites, the rule, the numbers and the reason, in sentences', () => {
    fc.assert(
      fc.property(decisions, (one) => {
        const text = explain(one);
        expect(text).toContain('keyspace travel');
        expect(text).toContain('The rule: E10.');
        for (const { site } of one.saw) expect(text).toContain(site);
        for (const { name } of one.phases) expect(text).toContain(name);
        if (one.lost !== null && one.lost.records > 0) expect(text).toContain(`${one.lost.records} records`);
        if (one.remedy !== null) expect(text).toContain('What helps now:');
        expect(text).toMatch(/^On \d{4}-\d\d-\d\d at .*\.$/);
        expect(text).not.toMatch(/undefined|null|NaN|\.\.|\s{2}/);
      }),
    );
  });

  it('never tells of something refused, begun or recommended as if it were done', () => {
    fc.assert(
      fc.property(decisions, (one) => {
        fc.pre(one.outcome !== 'done');
        expect(explain(one)).not.toMatch(
          / moved from .* to .*(which writes|\.)|was moved as planned|became a full member/,
        );
      }),
    );
  });
});
