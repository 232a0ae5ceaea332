import type { Decision } from '@tidemark/control/audit/decision';
import type { Status } from '@tidemark/watchdog/status/status';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobAt, send, untilDone } from './asking.ts';
import { EmbeddedSites, SITE_NAMES } from './embedded-sites-harness.ts';

const FILE = {
  keyspace: 'travel',
  primary: 'paris',
  ack: 'sync(1)',
  sites: { paris: 'data', tokyo: 'data', quito: 'data' },
  partitions: 2,
  tables: { t: { columns: { k: 'string', v: 'int' }, partitionKey: 'k' } },
};

let sites: EmbeddedSites;
const ask = (site: string, path: string, request?: RequestInit) => sites.ask(site, path, request);

async function writeAt(site: string, rows: readonly { k: string; v: number }[]): Promise<void> {
  const answer = await ask(site, '/v1/travel/t/rows', send('POST', { rows }));
  expect(answer).toMatchObject({ status: 200, body: { accepted: rows.length } });
}

async function statusAt(site: string) {
  return ((await ask(site, '/v1/status')).body as Status).keyspaces[0]!;
}

/** Limits are short: what is tested is that it happens and what is said of it, not when. */
const LIMITS = { suspectAfterMs: 1_200, suspicionStableMs: 300 };

beforeEach(async () => {
  sites = await EmbeddedSites.make(LIMITS);
  await sites.startAll();
  await sites.define(FILE);
  await untilDone(async () => {
    for (const name of SITE_NAMES) expect((await ask(name, '/readyz')).status).toBe(200);
  });
}, 60_000);

afterEach(() => sites[Symbol.asyncDispose](), 30_000);

describe('a primary is moved by an operator', () => {
  it('as planned: nothing is lost, and what no rule allows is refused with its remedy and changes nothing', async () => {
    await untilDone(() => writeAt('paris', [{ k: 'a', v: 1 }]));
    const move = (more: object) =>
      jobAt(sites, 'quito', { kind: 'switchover', keyspace: 'travel', to: 'tokyo', ...more });
    await untilDone(async () => {
      expect(await move({ dryRun: true })).toMatchObject({ outcome: 'done', from: 'paris', estimatedLoss: 0 });
    });
    const refusals = [
      [{ to: 'paris' }, /primary of travel already/],
      [{ to: 'lima' }, /there is no site lima/],
      [{ kind: 'failover' }, /paris is alive/],
    ] as const;
    for (const [more, words] of refusals) {
      const refused = await move(more);
      expect(refused).toMatchObject({ state: 'done', outcome: 'refused', words: expect.stringMatching(words) });
      expect(String(refused.remedy).length).toBeGreaterThan(10);
    }
    expect(await move({ to: 7 })).toMatchObject({ status: 400 });
    expect(await statusAt('paris')).toMatchObject({ primary: 'paris', epoch: 1, phase: 'steady' });
    const [first, second] = await Promise.all([move({}), move({ to: 'quito' })]);
    const outcomes = [first.outcome, second.outcome];
    expect(outcomes.filter((outcome) => outcome === 'done').length).toBeLessThanOrEqual(1);
    const [won] = [first, second].filter(({ outcome }) => outcome === 'done');
    const done = won ?? (await move({}));
    expect(done).toMatchObject({ outcome: 'done', from: 'paris', lost: { records: 0, rows: 0 } });
    const to = String(done.to);
    await untilDone(() => writeAt(to, [{ k: 'b', v: 2 }]));
    expect(await ask(to, '/v1/travel/t/rows/a')).toMatchObject({ status: 200, body: { v: 1 } });
    const told = await ask(to, `/v1/history/${done.decision}?all`);
    expect(told.body).toMatchObject({ kind: 'switchover', outcome: 'done', from: 'paris', to });
  }, 90_000);
});

describe('a site is lost', () => {
  it('another one writes on by itself, and says what happened', async () => {
    await untilDone(() => writeAt('paris', [{ k: 'a', v: 1 }]));
    await untilDone(async () => expect((await statusAt('tokyo')).primary).toBe('paris'));
    await sites.running.get('paris')!.stop();
    await untilDone(async () => {
      expect((await statusAt('tokyo')).primary).not.toBe('paris');
    });
    const { primary } = await statusAt('tokyo');
    await untilDone(() => writeAt(primary, [{ k: 'b', v: 2 }]));
    expect(await ask(primary, '/v1/travel/t/rows/a')).toMatchObject({ status: 200, body: { v: 1 } });
    let decision: (Decision & { readonly explanation: string }) | undefined;
    await untilDone(async () => {
      const { decisions } = (await ask(primary, '/v1/history?all')).body as { decisions: (typeof decision)[] };
      decision = decisions.find((one) => one?.kind === 'failover');
      expect(decision).toMatchObject({ outcome: 'done', from: 'paris', to: primary });
    });
    expect(decision!.saw).toHaveLength(2);
    expect(decision!.explanation).toMatch(/nothing acked was lost/);
    // The old primary starts again with what it knew before, and an old file names it the primary: neither moves anything.
    await sites.start('paris');
    await untilDone(async () => expect((await statusAt('paris')).primary).toBe(primary));
    await untilDone(async () =>
      expect(await ask(primary, '/v1/keyspaces/travel', send('PUT', FILE))).toMatchObject({ status: 200 }),
    );
    await untilDone(() => writeAt(primary, [{ k: 'c', v: 3 }]));
    await untilDone(async () => {
      const refused = await ask('paris', '/v1/travel/t/rows', send('POST', { rows: [{ k: 'd', v: 4 }] }));
      expect(refused).toMatchObject({ status: 307 });
    });
    const { epoch } = await statusAt(primary);
    expect([epoch, (await statusAt('paris')).epoch, (await statusAt('paris')).primary]).toEqual([2, 2, primary]);
  }, 60_000);

  it('while it is paused nothing is moved, what should be done is said, and resumed it happens', async () => {
    await untilDone(() => writeAt('paris', [{ k: 'a', v: 1 }]));
    const pause = (paused: unknown) => ask('tokyo', '/v1/watchdog/travel', send('POST', { paused }));
    expect(await pause('yes')).toMatchObject({ status: 400 });
    await untilDone(async () => expect(await pause(true)).toMatchObject({ status: 200, body: { paused: true } }));
    expect(await pause(true)).toMatchObject({ status: 200, body: { changed: false } });
    await sites.running.get('paris')!.stop();
    await untilDone(async () => {
      const { decisions } = (await ask('tokyo', '/v1/history?all')).body as { decisions: Decision[] };
      expect(decisions.find(({ kind }) => kind === 'recommendation')).toMatchObject({ from: 'paris' });
    });
    expect((await statusAt('tokyo')).primary).toBe('paris');
    await untilDone(async () => expect(await pause(false)).toMatchObject({ status: 200, body: { changed: true } }));
    await untilDone(async () => expect((await statusAt('tokyo')).primary).not.toBe('paris'));
  }, 60_000);
});
