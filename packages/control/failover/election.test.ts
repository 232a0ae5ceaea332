import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EpochEndAt, Member, RegisterValue, Term } from '../consensus/register-value.ts';
import { memoryOf } from '../consensus/vouching.ts';
import { unknownOf, unknownOfLoss } from './closure-words.ts';
import {
  asLed,
  candidateFor,
  closureOf,
  epochEndsOf,
  type FenceReport,
  type Holder,
  holdersOf,
  isLevel,
  levelFor,
  mayCommit,
  mayStandUnfit,
  reportedOf,
  unfitnessToStand,
} from './election.ts';
import type { SiteCopies } from './site-copies.ts';

const SITES = ['paris', 'tokyo', 'lima', 'oslo', 'cairo'] as const;
const logIdOf = (site: string, origin: string): string => `${site}<${origin}`;
const logIdsOf = (site: string): Record<string, string> =>
  Object.fromEntries(SITES.map((origin) => [origin, logIdOf(site, origin)]));

type Shape = { readonly members: readonly Member['state'][]; readonly k: number; readonly terms?: readonly Term[] };
const PARIS: Term = { epoch: 1, site: 'paris', writerId: 'w1', epochEnds: null };
const election = {
  epoch: 2,
  site: 'tokyo',
  writerId: 'w2',
  cause: 'suspicion',
  reason: '',
  beganMs: 0,
  loss: null,
} as const;

function registerOf({ members, k, terms = [PARIS] }: Shape): RegisterValue {
  return {
    keyspace: 'travel',
    version: 3,
    changeId: 'c',
    changes: [],
    acceptors: {},
    election,
    nextEpoch: 3,
    ack: { name: k === 0 ? 'local' : 'sync', k },
    failover: 'automatic',
    degradeTo: k,
    members: members.map((state, at) => ({ site: SITES[at]!, state, logIds: logIdsOf(SITES[at]!) })),
    witnesses: [],
    terms,
    lastFailover: null,
    paused: false,
  };
}

const chainOf = (epoch: number, seq: number): string => (seq < 0 ? '' : `${epoch}.${seq}`);
const reportOf = (site: string, seqs: readonly number[], change: Partial<FenceReport> = {}): FenceReport => ({
  site,
  origin: 'paris',
  logId: logIdOf(site, 'paris'),
  trusted: true,
  partitions: seqs.map((seq) => ({ epoch: seq < 0 ? 0 : 1, seq, chain: chainOf(1, seq) })),
  logIds: logIdsOf(site),
  vouched: 'itself',
  ...change,
});

const shapes = fc.integer({ min: 2, max: 5 }).chain((sites) =>
  fc.record({
    members: fc.array(fc.constantFrom('ACTIVE' as const, 'ACTIVE' as const, 'RECOVERING' as const), {
      minLength: sites,
      maxLength: sites,
    }),
    k: fc.integer({ min: 0, max: sites - 1 }),
  }),
);
const flaws = fc.constantFrom<Partial<FenceReport>>({}, {}, { trusted: false }, { logId: 'new' }, { logId: '' });
/** Some members answer, some of them with a copy that does not count. */
const answered = shapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    reports: fc
      .tuple(...shape.members.map(() => fc.option(flaws)))
      .map((found) => found.flatMap((flaw, at) => (flaw === null ? [] : [reportOf(SITES[at]!, [0], flaw)]))),
  }),
);

describe('unknownOfLoss', () => {
  const local = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE'], k: 0 });
  const others = [reportOf('tokyo', [4]), reportOf('lima', [4])];

  it('says that of a local primary that does not answer the rows are estimated', () => {
    expect(unknownOfLoss(local, others)).toMatch(/how much paris acked alone after it was last heard.*16 s/);
  });

  it('is null where the rows told are all that may be lost', () => {
    expect(unknownOfLoss(local, [reportOf('paris', [5]), ...others])).toBeNull();
    expect(unknownOfLoss({ ...local, ack: { name: 'sync', k: 1 } }, others)).toBeNull();
  });

  it('names whose copies nobody vouches for', () => {
    const reports = [reportOf('paris', [5]), reportOf('tokyo', [4], { vouched: null })];
    expect(unknownOfLoss({ ...local, ack: { name: 'sync', k: 1 } }, reports)).toMatch(
      /what else was acked.*tokyo began again/,
    );
  });
});

describe('closureOf', () => {
  it('is lossless exactly when no origin and k others could have acked past the fences that count', () => {
    fc.assert(
      fc.property(answered, ({ shape, reports }) => {
        const counts = (site: string): boolean =>
          shape.members[SITES.indexOf(site as 'paris')] === 'ACTIVE' &&
          reports.some((r) => r.site === site && r.trusted && r.logId === logIdOf(site, 'paris'));
        const sites = SITES.slice(0, shape.members.length);
        const unfenced = sites.filter((site) => site !== 'paris' && !counts(site));
        const mayAck = !counts('paris') && unfenced.length >= shape.k;
        expect(closureOf(registerOf(shape), reports).kind).toBe(mayAck ? 'wait' : 'lossless');
      }),
    );
  });

  it('counts no site twice, however often it answers', () => {
    const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE'], k: 1 });
    const tokyo = reportOf('tokyo', [0]);
    expect(closureOf(value, [tokyo, tokyo, tokyo])).toEqual({
      kind: 'wait',
      have: 1,
      need: 2,
      missing: ['paris', 'lima'],
    });
  });

  it('is hearsay where it takes a copy that others have only heard of, until all have answered', () => {
    const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE'], k: 1 });
    const told = (site: string, vouched: string | null) => reportOf(site, [0], { vouched });
    const heard = memoryOf('tokyo');
    const isHearsayOf = (...reports: readonly FenceReport[]) => {
      const closure = closureOf(value, reports);
      return closure.kind === 'lossless' ? closure.isHearsay : closure.kind;
    };
    expect(isHearsayOf(told('paris', heard))).toBe(true);
    expect(isHearsayOf(told('paris', 'itself'))).toBe(false);
    expect(isHearsayOf(told('paris', heard), told('tokyo', 'itself'))).toBe(true);
    expect(isHearsayOf(told('tokyo', 'itself'), told('lima', heard))).toBe(true);
    expect(isHearsayOf(told('tokyo', 'itself'), told('lima', 'the writer'))).toBe(false);
    expect(isHearsayOf(told('paris', heard), told('tokyo', 'itself'), told('lima', 'itself'))).toBe(false);
    expect(isHearsayOf(told('paris', heard), told('tokyo', null), told('lima', null))).toBe(false);
    const reports = [told('paris', heard), told('tokyo', 'itself')];
    expect(unknownOf(value, { by: 'origin', isHearsay: true }, reports)).toBe(
      'whether paris (the memory of tokyo) held more than was last heard of it: lima, which may hold that, did not answer',
    );
  });

  it('needs no answer before the first term', () => {
    expect(closureOf(registerOf({ members: ['RECOVERING', 'RECOVERING'], k: 1, terms: [] }), [])).toMatchObject({
      by: 'first',
    });
  });

  it('goes on with a loss only when an operator said so', () => {
    const value = registerOf({ members: ['ACTIVE', 'ACTIVE'], k: 0 });
    const allowed = {
      ...value,
      election: { ...election, loss: { rowsMax: 5, mode: 'received' as const, heard: null } },
    };
    expect(closureOf(value, [reportOf('tokyo', [0])]).kind).toBe('wait');
    expect(closureOf(allowed, [reportOf('tokyo', [0])]).kind).toBe('lossy');
    expect(closureOf(allowed, [reportOf('paris', [0])]).kind).toBe('lossless');
  });
});

describe('unfitnessToStand', () => {
  it('is of a site with a copy of any term that is another topic than the register lists', () => {
    const value = registerOf({ members: ['ACTIVE', 'ACTIVE'], k: 0 });
    const { site, logIds } = value.members[0]!;
    const copiesOf = (logId: string) => {
      const copies = Object.keys(logIds).map((origin) => ({
        origin,
        logId: logIds[origin]!,
        trusted: true,
        vouched: 'itself',
        positions: [],
      }));
      return {
        site,
        copies: copies.map((copy) => (copy.origin === value.terms[0]!.site ? { ...copy, logId } : copy)),
      };
    };
    expect(unfitnessToStand(value, copiesOf('another'))).toMatch(/another .*register lists/);
    expect(unfitnessToStand(value, copiesOf(''))).toBeNull();
    expect(unfitnessToStand(value, copiesOf(logIds[value.terms[0]!.site]!))).toBeNull();
    expect(unfitnessToStand({ ...value, terms: [] }, copiesOf('another'))).toBeNull();
  });

  it('is not of one that holds all that a closed term left, chain by chain, whichever topic has it', () => {
    const epochEnds = [{ seq: 3, chain: '1.3' }];
    const terms = [
      { ...PARIS, epochEnds },
      { epoch: 2, site: 'tokyo', writerId: 'w2', epochEnds: null },
    ];
    const value = registerOf({ members: ['ACTIVE', 'ACTIVE'], k: 1, terms });
    const copy = { origin: 'paris', logId: 'another', trusted: true, vouched: 'itself' };
    const tokyo = (epoch: number, seq: number, chain: string, trusted = true): SiteCopies => ({
      site: 'tokyo',
      copies: [{ ...copy, trusted, positions: [[epoch, seq, chain]] }],
    });
    expect(unfitnessToStand(value, tokyo(1, 3, '1.3'))).toBeNull();
    for (const lacks of [tokyo(1, 2, '1.2'), tokyo(1, 3, 'zz'), tokyo(1, 3, '1.3', false)])
      expect(unfitnessToStand(value, lacks)).toMatch(/lost something/);
  });
});

describe('mayStandUnfit', () => {
  const causes = ['start', 'suspicion', 'switchover', 'failover', 'takeover'] as const;

  it('is where no election is open only to one that a primary asks which writes no more', () => {
    expect(causes.filter((cause) => mayStandUnfit({ cause }))).toEqual(['takeover']);
  });

  it('is where one is open only once whoever is whole has had its time, whatever it was opened for', () => {
    for (const cause of causes) {
      expect(mayStandUnfit({ cause, openMs: 25_000 })).toBe(false);
      expect(mayStandUnfit({ cause, openMs: 25_001 })).toBe(true);
    }
  });
});

describe('asLed', () => {
  const closed = { ...PARIS, epochEnds: [{ seq: 0, chain: '1.0' }] };
  const own: SiteCopies = {
    site: 'tokyo',
    copies: ['paris', 'tokyo'].map((origin) => ({
      origin,
      logId: `another<${origin}`,
      trusted: true,
      vouched: 'itself',
      positions: [],
    })),
  };
  const logIds = (value: RegisterValue) => value.members.find(({ site }) => site === 'tokyo')!.logIds;

  it('takes the topics that a whole candidate has now', () => {
    const terms = [closed, { epoch: 2, site: 'tokyo', writerId: 'w2', epochEnds: null }];
    const value = registerOf({ members: ['ACTIVE', 'ACTIVE'], k: 1, terms });
    const led = logIds(asLed(value, election, [own]));
    expect(led).toEqual({ paris: 'another<paris', tokyo: 'another<tokyo' });
    const silent = { ...own, copies: own.copies.map((copy) => ({ ...copy, logId: '' })) };
    expect(asLed(value, election, [silent])).toEqual(value);
  });

  it('leaves one in RECOVERING as it is, unless a loss was accepted', () => {
    const value = registerOf({ members: ['ACTIVE', 'RECOVERING'], k: 1, terms: [PARIS] });
    expect(asLed(value, election, [own])).toEqual(value);
    const lossy = { ...election, loss: { rowsMax: 5, mode: 'received' as const, heard: null } };
    expect(logIds(asLed(value, lossy, [own]))).toEqual({ paris: 'another<paris', tokyo: 'another<tokyo' });
  });
});

describe('epochEndsOf', () => {
  const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE'], k: 1 });
  const heads = fc.array(fc.tuple(fc.integer({ min: -1, max: 3 }), fc.integer({ min: -1, max: 3 })), { maxLength: 3 });

  it('is the longest head in each partition, in whatever order the answers came', () => {
    fc.assert(
      fc.property(heads, (found) => {
        const reports = found.map((seqs, at) => reportOf(SITES[at]!, seqs));
        const longest = [0, 1].map((p) => Math.max(-1, ...found.map((seqs) => seqs[p]!)));
        const expected = { epochEnds: longest.map((seq) => ({ seq, chain: chainOf(1, seq) })) };
        expect(epochEndsOf(value, reports, 2)).toEqual(expected);
        expect(epochEndsOf(value, [...reports].reverse(), 2)).toEqual(expected);
      }),
    );
  });

  it('of no term at all are none', () => {
    expect(epochEndsOf({ ...value, terms: [] }, [reportOf('paris', [3, 3])], 2)).toEqual({ epochEnds: null });
  });

  it('names two records under one position, also below the longest head', () => {
    const other = { partitions: [{ epoch: 1, seq: 1, chain: 'zz' }] };
    const reports = [reportOf('paris', [3]), reportOf('tokyo', [1]), reportOf('lima', [1], other)];
    expect(epochEndsOf(value, reports, 1)).toMatchObject({
      conflict: expect.stringContaining('chain zz at lima, 1.1 at tokyo'),
    });
  });

  it('takes a copy in an earlier epoch for empty, and one in a later for the work of another candidate', () => {
    const terms = [
      { ...PARIS, epochEnds: [{ seq: 7, chain: '1.7' }] },
      { ...PARIS, epoch: 2, writerId: 'w2' },
    ];
    const second = registerOf({ members: ['ACTIVE', 'ACTIVE'], k: 1, terms });
    expect(epochEndsOf(second, [reportOf('tokyo', [7])], 1)).toEqual({ epochEnds: [{ seq: -1, chain: '' }] });
    const ahead = reportOf('tokyo', [0], { partitions: [{ epoch: 3, seq: 0, chain: '3.0' }] });
    expect(epochEndsOf(second, [ahead], 1)).toHaveProperty('superseded');
  });
});

const copiesOf = (site: string, origin: string, positions: readonly [number, number, string][]): SiteCopies => ({
  site,
  copies: [{ origin, logId: logIdOf(site, origin), trusted: true, vouched: 'itself', positions }],
});

const counting = (...sites: string[]): Holder[] => sites.map((site) => ({ site, counts: true }));

describe('holdersOf', () => {
  const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'RECOVERING'], k: 1 });
  const epochEnds: EpochEndAt[] = [
    { seq: 2, chain: '1.2' },
    { seq: -1, chain: '' },
  ];
  const at = (site: string, epoch: number, seq: number) =>
    copiesOf(site, 'paris', [
      [epoch, seq, chainOf(epoch, seq)],
      [0, -1, ''],
    ]);

  it('are those that reach the epoch end in every partition, by what the same chain says', () => {
    expect(holdersOf(value, epochEnds, [at('paris', 1, 2), at('tokyo', 1, 1)])).toEqual(counting('paris'));
    expect(holdersOf(value, epochEnds, [at('paris', 1, 3), at('tokyo', 3, 0)])).toEqual(counting('paris', 'tokyo'));
    const forged = copiesOf('tokyo', 'paris', [[1, 2, 'zz']]);
    expect(holdersOf(value, epochEnds, [at('paris', 1, 2), forged])).toEqual(counting('paris'));
  });

  it('hold in RECOVERING and by a topic the register does not list too, and do not count by that', () => {
    const again = (copies: SiteCopies, change: object): SiteCopies => ({
      ...copies,
      copies: copies.copies.map((copy) => ({ ...copy, ...change })),
    });
    const renewed = again(at('tokyo', 1, 2), { logId: 'new' });
    expect(holdersOf(value, epochEnds, [at('lima', 1, 2), renewed])).toEqual([
      { site: 'tokyo', counts: false },
      { site: 'lima', counts: false },
    ]);
    expect(holdersOf(value, epochEnds, [at('lima', 1, 1), again(at('tokyo', 1, 2), { trusted: false })])).toEqual([]);
  });

  it('hold every earlier epoch end too, each of its own origin', () => {
    const terms = [
      { ...PARIS, epochEnds },
      { epoch: 2, site: 'tokyo', writerId: 'w2', epochEnds: null },
    ];
    const second = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE'], k: 1, terms });
    const tokyoEnd = [{ seq: 0, chain: '2.0' }];
    const both = (site: string, seq: number): SiteCopies => ({
      site,
      copies: [...at(site, 1, seq).copies, ...copiesOf(site, 'tokyo', [[2, 0, '2.0']]).copies],
    });
    expect(holdersOf(second, tokyoEnd, [both('paris', 2), both('tokyo', 1), at('lima', 1, 2)])).toEqual(
      counting('paris'),
    );
  });
});

describe('isLevel', () => {
  const terms = [
    { ...PARIS, epochEnds: [{ seq: 1, chain: '1.1' }] },
    { epoch: 2, site: 'tokyo', writerId: 'w2', epochEnds: null },
  ];
  const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'RECOVERING'], k: 1, terms });
  const lima = (paris: number, tokyo: number): SiteCopies => {
    const copies = [...copiesOf('lima', 'paris', [[1, paris, chainOf(1, paris)]]).copies];
    copies.push(...copiesOf('lima', 'tokyo', [[2, tokyo, chainOf(2, tokyo)]]).copies);
    return { site: 'lima', copies: copies.map((copy) => ({ ...copy, logId: `${copy.logId} again` })) };
  };

  it('asks for every closed epoch end and all that is committed, whatever the new identities', () => {
    const committed = [{ seq: 3, chain: '2.3' }];
    expect(isLevel(value, lima(1, 3), committed)).toBe(true);
    expect(isLevel(value, lima(0, 3), committed)).toBe(false);
    expect(isLevel(value, lima(1, 2), committed)).toBe(false);
  });

  it('is never so for a copy that its site does not trust', () => {
    const { site, copies } = lima(1, 3);
    const doubted = { site, copies: copies.map((copy) => ({ ...copy, trusted: false })) };
    expect(isLevel(value, doubted, [{ seq: 3, chain: '2.3' }])).toBe(false);
  });
});

describe('reportedOf', () => {
  it('takes every member that answers into the first term, with the identities it told', () => {
    const value = registerOf({ members: ['RECOVERING', 'RECOVERING'], k: 1, terms: [] });
    const tokyo = { site: 'tokyo', state: 'ACTIVE', logIds: logIdsOf('tokyo') };
    expect(reportedOf(value, [reportOf('tokyo', []), reportOf('oslo', [])], 'tokyo')).toEqual([tokyo]);
  });

  it('takes no word for more than it is later: what is not the listed topic is in RECOVERING, and stays there', () => {
    const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'RECOVERING'], k: 1 });
    const renewed = reportOf('tokyo', [0], { logId: 'new', logIds: { paris: 'new' } });
    const reports = [reportOf('paris', [0]), renewed, reportOf('lima', [0])];
    expect(reportedOf(value, reports, 'paris')).toEqual([{ ...value.members[1], state: 'RECOVERING' }]);
    // The one that leads was counted after it had said that.
    expect(reportedOf(value, reports, 'tokyo')).toEqual([]);
  });
});

describe('mayCommit', () => {
  const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE'], k: 1 });

  it('asks for the candidate and k others', () => {
    expect(mayCommit(value, election, counting('tokyo', 'lima'))).toBe(true);
    expect(mayCommit(value, election, counting('tokyo'))).toBe(false);
    expect(mayCommit(value, election, counting('paris', 'lima'))).toBe(false);
    expect(mayCommit({ ...value, terms: [] }, election, [])).toBe(true);
  });

  it('lets a member that does not count hold, and never lead', () => {
    const doubtful = (site: string): Holder => ({ site, counts: false });
    expect(mayCommit(value, election, [...counting('tokyo'), doubtful('lima')])).toBe(true);
    expect(mayCommit(value, election, [doubtful('tokyo'), ...counting('lima', 'paris')])).toBe(false);
  });

  it('takes a lower level only as far as the keyspace allows', () => {
    const wanted = { name: 'sync', k: 2 } as const;
    expect(levelFor(value, election, counting('tokyo', 'lima'), wanted)).toBeNull();
    expect(levelFor(value, election, counting('tokyo', 'lima'), wanted, 0)).toEqual({ name: 'sync', k: 1 });
    expect(levelFor(value, election, counting('lima'), wanted, 0)).toBeNull();
  });
});

describe('candidateFor', () => {
  const value = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE', 'RECOVERING'], k: 1 });
  const at = (site: string, seq: number) => copiesOf(site, 'paris', [[1, seq, chainOf(1, seq)]]);

  it('is the ACTIVE member with the most, and of equals the first listed', () => {
    expect(candidateFor(value, [at('lima', 4), at('tokyo', 4), at('oslo', 9)], 'paris')).toBe('tokyo');
    expect(candidateFor(value, [at('tokyo', 3), at('lima', 4)], 'paris')).toBe('lima');
  });

  it('is the suspected site only when nothing but its writer is lost', () => {
    expect(candidateFor(value, [at('paris', 9), at('tokyo', 3)], 'paris')).toBe('tokyo');
    expect(candidateFor(value, [at('paris', 9), at('tokyo', 3)], null)).toBe('paris');
    expect(candidateFor(value, [at('paris', 9)], 'paris')).toBeNull();
  });

  it('prefers whole earlier terms to more of the newest', () => {
    const terms = [
      { ...PARIS, site: 'lima', epochEnds: [{ seq: 0, chain: '1.0' }] },
      { ...PARIS, epoch: 2, writerId: 'w2' },
    ];
    const second = registerOf({ members: ['ACTIVE', 'ACTIVE', 'ACTIVE'], k: 1, terms });
    const tokyo = copiesOf('tokyo', 'paris', [[2, 9, '2.9']]);
    const lima: SiteCopies = {
      site: 'lima',
      copies: [
        ...copiesOf('lima', 'lima', [[1, 0, '1.0']]).copies,
        ...copiesOf('lima', 'paris', [[2, 1, '2.1']]).copies,
      ],
    };
    expect(candidateFor(second, [tokyo, lima], 'paris')).toBe('lima');
  });
});
