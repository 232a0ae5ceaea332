import { decodeDecision, encodeDecision } from '@tidemark/control/audit/decision';
import { explain } from '@tidemark/control/audit/decision-words';
import type { RegisterValue, Term } from '@tidemark/control/consensus/register-value';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decisionOfUntold, untoldTerms } from './untold-terms.ts';

const SITES = ['paris', 'tokyo'] as const;

const terms = fc.array(fc.constantFrom(...SITES), { minLength: 1, maxLength: 8 }).map((sites) =>
  sites.map((site, at): Term => {
    const isLast = at === sites.length - 1;
    return { epoch: at + 1, site, writerId: `w${at}`, epochEnds: isLast ? null : [{ seq: at, chain: 'c' }] };
  }),
);

describe('untoldTerms', () => {
  it('are the closed terms of the site of which no decision is known, each with the one before it', () => {
    fc.assert(
      fc.property(terms, fc.uniqueArray(fc.integer({ min: 1, max: 8 })), (all, told) => {
        const value = { terms: all } as unknown as RegisterValue;
        const found = untoldTerms(value, 'paris', (epoch) => told.includes(epoch));
        const expected = all.filter((t) => t.site === 'paris' && t.epochEnds !== null && !told.includes(t.epoch));
        expect(found.map(({ term }) => term.epoch)).toEqual(expected.map(({ epoch }) => epoch));
        for (const { term, before } of found) expect(before?.epoch ?? 0).toBe(term.epoch - 1);
      }),
    );
  });
});

describe('decisionOfUntold', () => {
  it('says what the register knows, and what nobody does', () => {
    const before: Term = { epoch: 1, site: 'tokyo', writerId: 'w1', epochEnds: [{ seq: 4, chain: 'c' }] };
    const term: Term = { epoch: 2, site: 'paris', writerId: 'w2', epochEnds: [] };
    const decision = decisionOfUntold('ks', { term, before }, 0);
    expect(decodeDecision(encodeDecision(decision))).toEqual(decision);
    expect(decision).toMatchObject({ from: 'tokyo', to: 'paris', epoch: 2, kept: { records: 5 }, lost: null });
    expect(explain(decision)).toMatch(/paris led keyspace ks, in epoch 2.*how much was lost is not known/s);
  });
});
