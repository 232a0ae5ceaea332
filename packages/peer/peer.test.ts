import { FAULT_MEANINGS, Fault, type FaultKind } from '@tidemark/platform/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Peer } from './peer.ts';
import type { Told } from './told.ts';

const COPY = { origin: 'paris', logId: 'x', trusted: true, vouched: null, positions: [[1, 4, 'c4']] };
const RIGHT = {
  copies: { site: 'tokyo', copies: [COPY, { ...COPY, stranded: null, fencedBelow: 2, positions: [[0, -1, '']] }] },
  fence: {
    ...{ site: 'tokyo', origin: 'paris', logId: 'x', trusted: true, vouched: null, logIds: { paris: 'x' } },
    partitions: [{ epoch: 1, seq: 4, chain: 'c4' }],
  },
  fill: { complete: true },
  applied: { positions: { paris: ['1:4'] }, asOf: '5.0', asOfEpoch: 1 },
  standing: { site: 'tokyo', standsFor: null },
  abdicate: { epoch: 3, heads: [4, -1] },
  resume: { epoch: 3 },
} as const;
type Route = keyof typeof RIGHT;
const ROUTES = Object.keys(RIGHT) as Route[];

function ask(route: Route, answer: () => { status: number; body: unknown }): Promise<Told<unknown>> {
  const peer = new Peer({ ask: async () => answer() }, 'site://tokyo');
  const fence = { origin: 'paris', closes: 1, by: 2, nonce: 'n' };
  const fill = { origin: 'paris', epoch: 1, epochEnds: [], from: [] };
  if (route === 'fence') return peer.fence('ks', fence);
  if (route === 'fill') return peer.fill('ks', fill);
  return route === 'abdicate' || route === 'resume' ? peer[route]('ks', 'quito') : peer[route]('ks');
}

describe('another site', () => {
  it.each(ROUTES)('answers %s in the shape of the route', async (route) => {
    const { answer, fault } = await ask(route, () => ({ status: 200, body: RIGHT[route] }));
    expect(fault).toBe(null);
    const positions = { paris: [{ epoch: 1, seq: 4 }] };
    expect(answer).toEqual(route === 'applied' ? { ...RIGHT.applied, positions } : RIGHT[route]);
  });

  it('whatever it answers beside that is told as corrupt, and never thrown', async () => {
    const route = fc.constantFrom(...ROUTES);
    await fc.assert(
      fc.asyncProperty(route, fc.jsonValue(), fc.nat(), async (which, junk, at) => {
        const right: Record<string, unknown> = { ...RIGHT[which] };
        const fields = Object.keys(right);
        const broken = { ...right, [fields[at % fields.length]!]: { junk } };
        for (const body of [junk, broken]) {
          const { answer, fault } = await ask(which, () => ({ status: 200, body }));
          expect(answer === null ? fault?.kind : 'corrupt').toBe('corrupt');
        }
        expect((await ask(which, () => ({ status: 200, body: null }))).fault?.kind).toBe('corrupt');
      }),
    );
  });

  it('that refuses is told by the kind it names, else by the status, with its own words', async () => {
    for (const [kind, { status }] of Object.entries(FAULT_MEANINGS)) {
      const told = await ask('copies', () => ({ status, body: { kind, detail: 'why' } }));
      expect(told.fault).toMatchObject({ kind, message: expect.stringMatching(/site:\/\/tokyo.*: why$/) });
    }
    for (const body of [null, 7, { kind: 'other' }, { kind: 7, detail: {} }])
      expect((await ask('copies', () => ({ status: 503, body }))).fault).toMatchObject({ kind: 'unavailable' });
  });

  it('that does not answer is told so, and a bug of ours is thrown', async () => {
    const failing = (error: unknown) => (): never => {
      throw error;
    };
    const silent = new Fault('unknown' satisfies FaultKind, 'no answer');
    expect(await ask('fill', failing(silent))).toEqual({ answer: null, fault: silent });
    await expect(ask('fill', failing(new TypeError('bug')))).rejects.toThrow('bug');
  });
});
