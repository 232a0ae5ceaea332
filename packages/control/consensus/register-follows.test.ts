import { SeededRandom } from '@tidemark/platform/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FOUND_WRITER } from './founding.ts';
import {
  adoptTerm,
  beginElection,
  type Change,
  commitElection,
  demoteMember,
  readmitAcceptor,
  readmitMember,
  setPaused,
  setTermSettings,
  withdrawElection,
} from './register-changes.ts';
import { whyNotAfter } from './register-follows.ts';
import { type EpochEndAt, newestTerm, type RegisterValue, type Term } from './register-value.ts';

const SITES = ['paris', 'tokyo', 'quito'] as const;
const START: RegisterValue = {
  keyspace: 'travel',
  version: 0,
  changeId: '',
  changes: [],
  acceptors: {},
  election: null,
  nextEpoch: 1,
  ack: { name: 'sync', k: 1 },
  failover: 'automatic',
  degradeTo: 0,
  members: SITES.map((site) => ({ site, state: 'RECOVERING', logIds: {} })),
  witnesses: ['oslo'],
  terms: [],
  lastFailover: null,
  paused: false,
};
const FOUND = { epoch: 7, site: 'paris', above: 900 } as const;
const FOUNDED = { paris: 'a', tokyo: 'b', quito: 'c', oslo: 'd' };

const STANDING = { site: 'paris', cause: 'start', reason: '', beganMs: 1, loss: null } as const;

function made(change: Change): RegisterValue {
  if ('value' in change) return change.value;
  throw new Error(change.refused);
}

function closed(term: Term): Term {
  return { ...term, epochEnds: [{ seq: -1, chain: '' }] };
}

/** Any change that the rules allow of the value, drawn by `random`. */
function changed(value: RegisterValue, random: SeededRandom, id: string): RegisterValue {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random.fraction() * all.length)]!;
  const site = pick(SITES);
  const owner = newestTerm(value) ?? { epoch: 0, writerId: '' };
  const epochEnd = (): EpochEndAt => ({ seq: Math.floor(random.fraction() * 9), chain: 'ab' });
  const told = SITES.map((one) => ({ site: one, state: 'ACTIVE', logIds: { [one]: id } }) as const);
  const attempts: (() => Change)[] = [
    () => {
      const epoch = 1 + Math.floor(random.fraction() * 30);
      const found = { epoch, site: pick(SITES), above: epoch + Math.floor(random.fraction() * 30) };
      return adoptTerm(value, id, { ...(value.election ?? owner), found, members: told });
    },
    () =>
      beginElection(value, id, {
        site,
        writerId: id,
        cause: 'suspicion',
        reason: 'x'.repeat(2_000),
        beganMs: 1,
        loss: null,
        version: value.version,
      }),
    () => {
      const epochEnds = value.terms.length === 0 ? null : [epochEnd(), epochEnd()];
      const { epoch = 0, writerId = '' } = value.election ?? {};
      return commitElection(value, id, {
        epoch,
        writerId,
        epochEnds,
        reported: told,
        ack: { name: 'sync', k: pick([1, 2, value.degradeTo]) },
        nowMs: 5,
      });
    },
    () => readmitMember(value, id, owner, { site, state: 'ACTIVE', logIds: { [site]: id } }),
    () => demoteMember(value, id, pick([site, owner]), site),
    () =>
      setTermSettings(value, id, owner, { ack: { name: 'sync', k: pick([1, 2]) }, failover: 'manual', degradeTo: 1 }),
    () => withdrawElection(value, id, value.election ?? owner),
    () => setPaused(value, id, !value.paused),
    () => readmitAcceptor(value, id, pick([...SITES, 'oslo']), id),
  ];
  for (let tries = 0; tries < 50; tries++) {
    const made = pick(attempts)();
    if (!('value' in made)) continue;
    return Object.keys(value.acceptors).length === 0 ? { ...made.value, acceptors: FOUNDED } : made.value;
  }
  throw new Error('no change is allowed');
}

function history(seed: number, length: number): RegisterValue[] {
  const random = new SeededRandom(seed);
  const all = [START];
  while (all.length <= length) all.push(changed(all.at(-1)!, random, `${seed}-${all.length}`));
  return all;
}

/** Ways to make another value of one, none of them a change that the rules allow. */
const FORGERIES: Readonly<Record<string, (value: RegisterValue) => Partial<RegisterValue> | null>> = {
  'a closed term is cut anew': ({ terms }) =>
    terms.length < 2
      ? null
      : {
          terms: terms.map((r) =>
            r.epochEnds === null ? r : { ...r, epochEnds: r.epochEnds.map(() => ({ seq: -1, chain: '' })) },
          ),
        },
  'the newest term is closed without another': ({ terms }) =>
    terms.length === 0 ? null : { terms: terms.map((r) => ({ ...r, epochEnds: r.epochEnds ?? [] })) },
  'a term is forgotten': ({ terms }) => (terms.length === 0 ? null : { terms: terms.slice(1) }),
  'another site leads': ({ terms }) =>
    terms.length === 0 ? null : { terms: terms.map((r) => ({ ...r, writerId: `${r.writerId}!` })) },
  'epochs go back': ({ nextEpoch }) => ({ nextEpoch: nextEpoch - 1 }),
  'epochs run away': ({ nextEpoch }) => ({ nextEpoch: nextEpoch + 50 }),
  'a site is gone': ({ members }) => ({ members: members.slice(1) }),
  'an election of a stranger': ({ nextEpoch }) => ({
    election: { epoch: nextEpoch, site: 'rome', writerId: 'w', cause: 'start', reason: '', beganMs: 0, loss: null },
    nextEpoch: nextEpoch + 1,
  }),
  'every vote is another': ({ acceptors }) =>
    Object.keys(acceptors).length === 0 ? null : { acceptors: { paris: 'x', tokyo: 'y', quito: 'z', oslo: 'o' } },
  'all members at once': ({ members }) => ({
    members: members.map((m) => ({ ...m, state: 'ACTIVE', logIds: { x: 'y' } })),
  }),
  'a term is found beside others': ({ terms, nextEpoch }) =>
    terms.length === 0
      ? null
      : {
          terms: [...terms, { epoch: nextEpoch, site: 'paris', writerId: FOUND_WRITER, epochEnds: null }],
          nextEpoch: nextEpoch + 1,
        },
  'a term is found by no election': ({ terms, election, nextEpoch }) =>
    terms.length > 0 || election !== null
      ? null
      : { terms: [{ ...FOUND, writerId: FOUND_WRITER, epochEnds: null }], nextEpoch: nextEpoch + 9 },
  'a writer stands under the name of what was found': ({ nextEpoch }) => ({
    election: { ...STANDING, epoch: nextEpoch, writerId: FOUND_WRITER },
    nextEpoch: nextEpoch + 1,
  }),
  'k below what is allowed': ({ ack, election }) =>
    ack.k === 0 || election !== null ? null : { ack: { name: 'local', k: 0 } },
  'another history': ({ changes }) => (changes.length < 2 ? null : { changes: ['forged', ...changes.slice(1)] }),
};

const seeds = fc.integer({ min: 1, max: 1_000_000 });

describe('what can follow from a register value', () => {
  it('is every value that changes by the rules have made of it, however many', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const all = history(seed, 90);
        for (const [i, later] of all.entries()) {
          for (const before of [i, i - 1, i - 2, i - 7, i - 80]) {
            if (before >= 0) expect(whyNotAfter(all[before]!, later)).toBeNull();
          }
          if (i > 0) expect(whyNotAfter(later, all[i - 1]!)).toContain('is behind');
        }
      }),
      { numRuns: 40 },
    );
  });

  for (const [name, forge] of Object.entries(FORGERIES)) {
    it(`is none in which ${name}`, () => {
      let forged = 0;
      for (let seed = 1; seed <= 20; seed++) {
        for (const value of history(seed, 25)) {
          const change = forge(value);
          if (change === null) continue;
          forged++;
          for (const steps of [0, 1]) {
            const changes = steps === 0 ? value.changes : [...(change.changes ?? value.changes), 'next'];
            const next = {
              ...value,
              ...change,
              changes,
              version: value.version + steps,
              changeId: changes.at(-1) ?? '',
            };
            const isSame = steps === 0 && change.changes !== undefined;
            if (!isSame) expect(whyNotAfter(value, next)).not.toBeNull();
          }
        }
      }
      expect(forged).toBeGreaterThan(20);
    });
  }

  it('is none that lies further on and contradicts what was chosen', () => {
    let forged = 0;
    for (const value of history(11, 60)) {
      for (const name of ['a closed term is cut anew', 'another site leads', 'a site is gone', 'epochs go back']) {
        const change = FORGERIES[name]!(value);
        if (change === null) continue;
        forged++;
        const changes = [...value.changes, 'x', 'y', 'z'].slice(-64);
        const later = { ...value, ...change, changes, version: value.version + 3, changeId: 'z' };
        expect(whyNotAfter(value, later)).not.toBeNull();
      }
    }
    expect(forged).toBeGreaterThan(100);
  });

  describe('that took over what the logs hold', () => {
    const named = ['other', 'another', 'first'].reduce(
      (value, writerId) => made(beginElection(value, writerId, { ...STANDING, writerId, version: value.version })),
      START,
    );
    const members = SITES.map((site) => ({ site, state: 'ACTIVE', logIds: { [site]: 'log' } }) as const);
    const adopted = made(adoptTerm(named, 'adopted', { epoch: 3, writerId: 'first', found: FOUND, members }));

    it('is what the rules made of it, also once the term that was found is forgotten', () => {
      let value = adopted;
      for (let i = 0; i < 70; i++) {
        for (const before of [START, named, adopted]) expect(whyNotAfter(before, value)).toBeNull();
        const { epoch, writerId } = value.election!;
        const epochEnds = [{ seq: i, chain: 'ab' }];
        const ack = { name: 'sync', k: 1 } as const;
        value = made(commitElection(value, `won ${i}`, { epoch, writerId, epochEnds, reported: [], ack, nowMs: 0 }));
        for (const before of [START, named, adopted]) expect(whyNotAfter(before, value)).toBeNull();
        value = made(beginElection(value, `named ${i}`, { ...STANDING, writerId: `w${i}`, version: value.version }));
      }
      expect(value.terms.some(({ writerId }) => writerId === FOUND_WRITER)).toBe(false);
    });

    const election = adopted.election!;
    const [found] = adopted.terms as [Term];
    const wrong: Readonly<Record<string, Partial<RegisterValue>>> = {
      'its election keeps an epoch from before': { election: { ...election, epoch: 3 } },
      'its election is not above it': { election: { ...election, epoch: FOUND.epoch } },
      'its election is given to another': { election: { ...election, writerId: 'forged', site: 'quito' } },
      'its election may lose rows': { election: { ...election, loss: { rowsMax: 9, mode: 'received', heard: null } } },
      'its election is over': { election: null },
      'epochs are used up': { election: { ...election, epoch: 2 ** 40 }, nextEpoch: 2 ** 40 + 1 },
      'epochs are left out': { nextEpoch: adopted.nextEpoch + 1 },
      'it is cut already': { terms: [{ ...found, epochEnds: [{ seq: -1, chain: '' }] }] },
      'a stranger wrote it': { terms: [{ ...found, site: 'rome' }] },
      'somebody else wrote it': { terms: [{ ...found, writerId: 'forged' }] },
      'there are two': { terms: [{ ...found, epoch: 3, epochEnds: [{ seq: 1, chain: '' }] }, found] },
      'a member did not tell': { members: [START.members[0]!, ...adopted.members.slice(1)] },
      'the level is another': { ack: { name: 'sync', k: 2 } },
    };
    it.each(Object.entries(wrong))('is none in which %s', (_name, change) => {
      expect(whyNotAfter(named, { ...adopted, ...change })).not.toBeNull();
    });

    const later: Readonly<Record<string, Partial<RegisterValue>>> = {
      'an election keeps its epoch from before': {
        election: { ...election, epoch: 3 },
        terms: [{ ...found, epoch: 2 }],
      },
      'an election is not above it': { election: { ...election, epoch: FOUND.epoch } },
      'an epoch from before is won': {
        election: null,
        terms: [closed({ ...found, epoch: 2 }), { epoch: 3, site: 'paris', writerId: 'first', epochEnds: null }],
      },
      'its election took no epoch': { election: null, nextEpoch: named.nextEpoch, terms: [{ ...found, epoch: 2 }] },
      'another was found above it': { election: null, terms: [closed(found), { ...found, epoch: FOUND.epoch + 1 }] },
      'it lies further up than any log': { terms: [{ ...found, epoch: 2 ** 40 }] },
    };
    it.each(Object.entries(later))('is none, further on, in which %s', (_name, change) => {
      const changes = [...adopted.changes, 'x', 'y'];
      const further = { ...adopted, version: adopted.version + 2, changeId: 'y', changes };
      expect(whyNotAfter(named, further)).toBeNull();
      expect(whyNotAfter(named, { ...further, ...change })).not.toBeNull();
    });

    it('is none where a term was known', () => {
      const { epoch, writerId } = named.election!;
      const ack = { name: 'sync', k: 1 } as const;
      const first = made(
        commitElection(named, 'won', { epoch, writerId, epochEnds: null, reported: [], ack, nowMs: 0 }),
      );
      const again = made(
        beginElection(first, 'named again', { ...STANDING, writerId: 'second', version: first.version }),
      );
      const version = again.version + 1;
      const changes = [...again.changes, 'forged'];
      const forged = { ...adopted, version, changeId: 'forged', changes };
      for (const terms of [adopted.terms, [...again.terms, found], [...first.terms.map(closed), found]]) {
        expect(whyNotAfter(again, { ...forged, terms })).not.toBeNull();
      }
    });
  });

  it('says which version, and what does not fit', () => {
    const value = history(3, 200).findLast(({ terms }) => terms.length > 1)!;
    const terms = value.terms.map((term) => ({ ...term, writerId: 'forged' }));
    const next = {
      ...value,
      terms,
      version: value.version + 1,
      changeId: 'n',
      changes: [...value.changes, 'n'].slice(-64),
    };
    expect(whyNotAfter(value, next)).toMatch(/^the term of epoch \d+ is changed$/);
    expect(whyNotAfter(value, { ...value, keyspace: 'hotels' })).toBe('it is of hotels, not of travel');
  });
});
