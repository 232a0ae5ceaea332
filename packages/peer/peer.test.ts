import { NOTHING_ELSE } from '@tidemark/control/audit/decision';
import { parsed } from '@tidemark/model/parsed';
import { FAULT_MEANINGS, Fault, type FaultKind, isFault } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Peer } from './peer.ts';
import { placeOf } from './place.ts';
import { addressOf, ROUTES, type Route } from './routes.ts';
import { isAnswered, type Told } from './told.ts';

type Name = keyof typeof ROUTES;
const NAMES = Object.keys(ROUTES) as Name[];
type Sample = { readonly ask: (peer: Peer) => Promise<Told<unknown>>; readonly asked: object; readonly answer: object };

const BALLOT = { counter: 1, site: 'paris', process: 'p' };
const HEARD = { heads: [4, -1], rows: [9, 0], unheardRows: 3 };
const ENDS = {
  control: { acceptor: 'a', end: 7 },
  copies: [{ keyspace: 'ks', origin: 'paris', logId: 'x', ends: [{ epoch: 1, seq: -1 }] }],
};
const COPY = {
  ...{ origin: 'paris', logId: 'x', trusted: true, vouched: null, stranded: null, fencedBelow: 2 },
  positions: [[1, 4, 'c4']],
};
const VALUE = {
  ...{ keyspace: 'ks', version: 3, changeId: 'c', changes: ['b'], acceptors: { paris: 'a' }, nextEpoch: 3 },
  election: { epoch: 2, site: 'tokyo', writerId: 'w', cause: 'takeover', reason: '', beganMs: 5, loss: null },
  ...{ ack: { name: 'sync', k: 1 }, failover: 'manual', degradeTo: 0, witnesses: ['quito'], paused: false },
  members: [{ site: 'paris', state: 'ACTIVE', logIds: { paris: 'x' } }],
  terms: [{ epoch: 1, site: 'paris', writerId: 'v', epochEnds: [{ seq: 4, chain: 'c4' }] }],
  lastFailover: { epoch: 1, atMs: 4 },
};
const SIGNS = { dataMs: 5, probeMs: null, beatMs: 7 };
const DECISION = {
  ...NOTHING_ELSE,
  ...{ id: 'd', atMs: 1, site: 'paris', keyspace: 'ks', kind: 'failover', outcome: 'done', rule: 'r', words: 'w' },
  saw: [{ site: 'tokyo', suspects: true, sinceMs: 4, signs: SIGNS, abstains: null }],
  phases: [{ name: 'n', ms: 3 }],
  lost: { records: 1, rows: null },
};
const DIGEST = { rows: 1, cells: 2, tombstones: 0, hash: 'h', gcWatermark: { ms: 4, counter: 1 } };
const TABLES = { t: { rows: 2, hash: 'h' } };
const LAG_OF = { origin: 'paris', lagSeconds: 0.5, lagState: 'live' };
const FENCE = { origin: 'paris', closes: 1, by: 2, nonce: 'n' };
const FILL = { origin: 'paris', epoch: 1, epochEnds: [{ seq: 4, chain: 'c4' }], from: ['quito'] };
const NOMINATION = {
  ...({ cause: 'failover', reason: 'r', version: 3, decisionId: 'd' } as const),
  loss: { rowsMax: 5, mode: 'received', heard: HEARD },
} as const;
const HELD = { id: 'one', at: { paris: [{ epoch: 1, seq: 4 }] }, gcWatermark: { ms: 5, counter: 0 }, forMs: 9 };

/** A right question and a right answer of every route, with something in each field. */
const SAMPLES: Readonly<Record<Exclude<Name, 'digest' | 'lag'>, Sample>> &
  Readonly<Record<'digest' | 'lag', Omit<Sample, 'ask'>>> = {
  copies: { ask: (peer) => peer.copies('ks'), asked: {}, answer: { site: 'tokyo', copies: [COPY] } },
  allCopies: {
    ask: (peer) => peer.allCopies(['ks']),
    asked: { keyspaces: ['ks'] },
    answer: { answers: { ks: { site: 'tokyo', copies: [COPY] } } },
  },
  fence: {
    ask: (peer) => peer.fence('ks', FENCE),
    asked: FENCE,
    answer: {
      ...{ site: 'tokyo', origin: 'paris', logId: 'x', trusted: true, vouched: 'itself', logIds: { paris: 'x' } },
      partitions: [{ epoch: 1, seq: 4, chain: 'c4' }],
    },
  },
  fill: { ask: (peer) => peer.fill('ks', FILL), asked: FILL, answer: { complete: true } },
  applied: {
    ask: (peer) => peer.applied('ks'),
    asked: {},
    answer: { positions: { paris: ['1:4'] }, asOf: '5.0', asOfEpoch: 1 },
  },
  nominate: { ask: (peer) => peer.nominate('ks', NOMINATION), asked: NOMINATION, answer: { accepted: true } },
  standing: { ask: (peer) => peer.standing('ks'), asked: {}, answer: { site: 'tokyo', standsFor: 'takeover' } },
  abdicate: {
    ask: (peer) => peer.abdicate('ks', 'quito'),
    asked: { to: 'quito', resume: false },
    answer: { epoch: 3, heads: [4, -1] },
  },
  resume: { ask: (peer) => peer.resume('ks', 'quito'), asked: { to: 'quito', resume: true }, answer: { epoch: 3 } },
  loss: {
    ask: (peer) => peer.loss('ks', HEARD),
    asked: { heard: HEARD },
    answer: { received: { records: 1, rows: 2 }, consistent: { records: 3, rows: 4 } },
  },
  healthVote: {
    ask: (peer) => peer.healthVote('ks'),
    asked: {},
    answer: { site: 'tokyo', epoch: 1, suspects: true, sinceMs: 4, signs: SIGNS, abstains: null },
  },
  sight: {
    ask: (peer) => peer.sight('ks'),
    asked: {},
    answer: {
      ...{ site: 'tokyo', dataMs: 5, clockTrouble: null, reachesLog: true },
      lastHeard: { heads: [4], rows: [9], rowsPerSecond: 2.5, silentMs: 8 },
    },
  },
  ping: {
    ask: (peer) => peer.ping({ from: 'paris', process: 'p' }),
    asked: { from: 'paris', process: 'p' },
    answer: { site: 'tokyo', timeMs: 5, word: { process: 'q', ends: ENDS, before: { gapMs: 3, ends: ENDS } } },
  },
  register: {
    ask: (peer) => peer.register('ks', { kind: 'prepare', ballot: BALLOT }),
    asked: { kind: 'prepare', ballot: BALLOT },
    answer: { acceptor: 'a', ok: true, reason: null, promised: BALLOT, accepted: { ballot: BALLOT, value: VALUE } },
  },
  registers: {
    ask: (peer) => peer.registers(['ks']),
    asked: { keyspaces: ['ks'] },
    answer: {
      answers: {
        ks: { acceptor: 'a', ok: true, reason: null, promised: BALLOT, accepted: { ballot: BALLOT, value: VALUE } },
      },
    },
  },
  held: {
    ask: (peer) => peer.held('ks', HELD),
    asked: HELD,
    answer: {
      ...{ site: 'tokyo', version: 1, positions: HELD.at, gcWatermark: HELD.gcWatermark, digests: { t: [DIGEST] } },
    },
  },
  digest: {
    asked: { gcWatermark: '5.1' },
    answer: { gcWatermark: '5.1', positions: { paris: ['1:4'] }, tables: TABLES, scratch: TABLES },
  },
  lag: { asked: {}, answer: { lagMs: { run: { count: 3, p50: 1.5, p99: 2 } } } },
  lags: {
    ask: (peer) => peer.lags(),
    asked: {},
    answer: { keyspaces: [{ keyspace: 'ks', sites: [{ site: 'tokyo', origins: [LAG_OF] }] }] },
  },
  history: { ask: (peer) => peer.history(), asked: {}, answer: { decisions: [DECISION] } },
  decision: { ask: (peer) => peer.decision('d'), asked: {}, answer: DECISION },
  write: {
    ask: (peer) => peer.write({ keyspace: 'ks', table: 't', key: 'k', ageMs: 1 }, [{ k: 1 }]),
    asked: { rows: [{ k: 1 }] },
    answer: { accepted: 1, rejected: 0 },
  },
};
/** A ping is a sign of life whatever else it says. */
const UNHEEDED: Readonly<Partial<Record<Name, string>>> = { ping: 'word' };
/** What a client's row may hold is for its table to say. */
const FREE: Readonly<Partial<Record<Name, string>>> = { write: 'rows.0.' };

const pathOf = (name: Name): Route => ROUTES[name];

/** Every value in it that is no object, and where. */
function leavesOf(value: unknown, at: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...at]];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...at, key]));
}

/** The same with something else in one place. */
function withAt(value: unknown, [key, ...rest]: readonly string[], to: unknown): unknown {
  if (key === undefined) return to;
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...(value as object) };
  copy[key] = withAt(copy[key], rest, to);
  return copy;
}

/** A value of no kind that any field has. */
const JUNK = { junk: ['junk'] };

function answering(status: number, body: unknown): Peer {
  return new Peer({ ask: async () => ({ status, body }) }, placeOf('tokyo'));
}

const ASKED = NAMES.filter((name): name is Exclude<Name, 'digest' | 'lag'> => name !== 'digest' && name !== 'lag');

describe('each route between sites', () => {
  it.each(ASKED)(
    '%s is asked at its path within its time, in the shape it takes, and answered in its own',
    async (name) => {
      const seen: unknown[] = [];
      const { path, method, timeoutMs, asks } = pathOf(name);
      const ask = async (url: string, body: object | null, ms: number) => {
        const [at, query] = url.split('?');
        const asked = body ?? Object.fromEntries(new URLSearchParams(query));
        seen.push({ at, ms, isPost: body !== null, asked: asks.parse(asked) });
        return { status: 200, body: SAMPLES[name].answer };
      };
      const { answer, fault } = await SAMPLES[name].ask(new Peer({ ask }, 'http://tokyo'));
      expect(fault).toBe(null);
      const at = addressOf('http://tokyo', path, { keyspace: 'ks', table: 't', id: 'd' });
      expect(seen).toEqual([{ at, ms: timeoutMs, isPost: method === 'POST', asked: SAMPLES[name].asked }]);
      const positions = { paris: [{ epoch: 1, seq: 4 }] };
      expect(answer).toEqual(name === 'applied' ? { ...SAMPLES.applied.answer, positions } : SAMPLES[name].answer);
    },
  );

  it.each(NAMES)('%s: an answer that is wrong anywhere is refused, by the route and the field', (name) => {
    const { tells } = pathOf(name);
    const { answer } = SAMPLES[name];
    expect(tells.safeParse(answer).success).toBe(true);
    for (const at of leavesOf(answer)) {
      const read = (): unknown => parsed(tells, withAt(answer, at, JUNK), name, 'corrupt');
      if (at[0] === UNHEEDED[name]) expect(read()).toMatchObject({ [at[0]!]: null });
      else expect(read, at.join('.')).toThrow(new RegExp(`^${name}: (.*; )?field "${at[0]}`));
    }
    for (const body of [null, undefined, 7, 'text', [answer]])
      expect(() => parsed(tells, body, name, 'corrupt'), JSON.stringify(body)).toThrow(Fault);
  });

  it.each(NAMES)('%s: a question that is wrong anywhere is refused, by the field', (name) => {
    const { asks } = pathOf(name);
    const { asked } = SAMPLES[name];
    expect(asks.safeParse(asked).success).toBe(true);
    for (const at of leavesOf(asked)) {
      if (FREE[name] !== undefined && at.join('.').startsWith(FREE[name])) continue;
      expect(() => parsed(asks, withAt(asked, at, JUNK), name), at.join('.')).toThrow(new RegExp(`field "${at[0]}`));
    }
  });

  it('whatever is answered is told, never thrown: as the answer it is, or as corrupt', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ASKED), fc.jsonValue(), fc.nat(), async (name, junk, which) => {
        const right = SAMPLES[name].answer;
        const leaves = leavesOf(right);
        for (const body of [junk, withAt(right, leaves[which % leaves.length]!, junk)]) {
          const told = await SAMPLES[name].ask(answering(200, body));
          if (told.fault !== null) expect(told.fault).toMatchObject({ kind: 'corrupt', message: /site:\/\/tokyo/ });
          expect(isAnswered(told)).toBe(true);
        }
      }),
    );
  });
});

describe('another site', () => {
  it('that refuses is told by the kind it names, else by the status, with its own words', async () => {
    for (const [kind, { status }] of Object.entries(FAULT_MEANINGS)) {
      const told = await answering(status, { kind, detail: 'why' }).copies('ks');
      expect(told.fault).toMatchObject({ kind, message: 'tokyo: why' });
      expect(isAnswered(told)).toBe(true);
    }
    for (const body of [null, 7, { kind: 'other' }, { kind: 7, detail: {} }])
      expect((await answering(503, body).copies('ks')).fault).toMatchObject({ kind: 'unavailable' });
  });

  it('that does not answer is told so, and a bug of ours is thrown', async () => {
    const failing = (error: unknown): Peer =>
      new Peer(
        {
          ask: async () => {
            throw error;
          },
        },
        placeOf('tokyo'),
      );
    const silent = new Fault('unknown' satisfies FaultKind, 'no answer');
    const told = await failing(silent).standing('ks');
    expect(told).toEqual({ answer: null, fault: silent });
    expect(isAnswered(told)).toBe(false);
    await expect(failing(new TypeError('bug')).standing('ks')).rejects.toThrow('bug');
  });

  it('is asked about what has a strange name under just that name', () => {
    expect(addressOf('http://tokyo', ROUTES.write.path, { keyspace: 'a/b', table: '?c' }, { 'd e': '&' })).toBe(
      'http://tokyo/v1/a%2Fb/%3Fc/rows?d+e=%26',
    );
  });

  it('names eight wrong fields at most, however many there are', async () => {
    const copies = Array.from({ length: 500 }, () => ({ ...COPY, logId: 7 }));
    const { fault } = await answering(200, { site: 'tokyo', copies }).copies('ks');
    expect(isFault(fault, 'corrupt')).toBe(true);
    expect(fault?.message).toMatch(/field "copies\.7\.logId".*; and 492 more$/);
  });
});
