/** Sites are compared at equal positions while records keep coming, each site at a pace of its own. */

import { Fault, messageOf } from '@tidemark/platform/fault';
import type { Answer, Network } from '@tidemark/platform/network';
import { SeededRandom } from '@tidemark/platform/random';
import { SystemClock } from '@tidemark/platform/system-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyspaceApplier } from '../applier.ts';
import { eventually, LOCAL, row, sampleLog, settled, TestSite } from '../testing/fake-site.ts';
import { compareSites, type VerdictWord } from './compare.ts';
import { HeldDigests } from './held-digests.ts';

const SITES = ['paris', 'tokyo', 'quito'];
const clock = new SystemClock();

class Sites implements Network {
  readonly sites = new Map<string, { readonly site: TestSite; readonly applier: KeyspaceApplier }>();
  readonly silent = new Set<string>();
  /** Whose next answers with a digest are lost; the others' in between are nobody's. */
  lost: string[] = [];
  /** How long each digest was waited for. */
  readonly waitsMs: number[] = [];
  /** How many records of each partition a site has got. */
  readonly sent = new Map<string, number[]>();
  readonly values = [0, 1].map((partition) => sampleLog(60, LOCAL, partition).values);

  async open(): Promise<void> {
    for (const name of SITES) {
      const site = new TestSite(name);
      for (const partition of [0, 1]) await site.append(site.topicOf('paris'), partition, []);
      this.sites.set(name, { site, applier: await site.start(LOCAL) });
      this.sent.set(name, [0, 0]);
    }
  }

  async send(name: string, partition: number, count: number): Promise<void> {
    const { site } = this.sites.get(name)!;
    const sent = this.sent.get(name)!;
    await site.append(
      site.topicOf('paris'),
      partition,
      this.values[partition]!.slice(sent[partition], sent[partition]! + count),
    );
    sent[partition]! += count;
  }

  lines(): AsyncGenerator<string> {
    throw new Error('nothing is streamed here');
  }

  async ask(url: string, body: object | null, timeoutMs = 0): Promise<Answer> {
    const name = /^site:\/\/([^/]+)/.exec(url)![1]!;
    if (this.silent.has(name)) return { status: 503, body: { detail: 'it is away' } };
    const isDigest = (body as { readonly at: object | null }).at !== null;
    if (isDigest) this.waitsMs.push(timeoutMs);
    const isLost = isDigest && this.lost.shift() === name;
    try {
      const held = new HeldDigests(name, clock);
      const answer = await held.answer(this.sites.get(name)!.applier, body, new AbortController().signal);
      if (isLost) throw new Fault('unknown', `no answer within ${timeoutMs} ms`);
      return { status: 200, body: JSON.parse(JSON.stringify(answer)) };
    } catch (error) {
      return { status: 503, body: { detail: messageOf(error) } };
    }
  }

  async compare(reachMs = 2_000): Promise<Record<string, VerdictWord[]>> {
    const parts = { network: this, random: new SeededRandom(1), signal: new AbortController().signal };
    const { verdicts } = await compareSites(parts, { keyspace: 'ks', partitions: 2, sites: SITES, reachMs });
    const words: Record<string, VerdictWord[]> = { paris: [], tokyo: [], quito: [] };
    for (const { site, verdict } of verdicts) words[site]!.push(verdict);
    return words;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { applier } of this.sites.values()) await applier[Symbol.asyncDispose]();
  }
}

const ALIKE = { paris: ['MATCH', 'MATCH'], tokyo: ['MATCH', 'MATCH'], quito: ['MATCH', 'MATCH'] };

describe('a comparison of sites', () => {
  it('finds them equal while each gets its records at another pace', async () => {
    const chunk = fc.tuple(fc.constantFrom(...SITES), fc.nat(1), fc.integer({ min: 1, max: 5 }));
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { minLength: 20, maxLength: 40 }), async (chunks) => {
        await using sites = new Sites();
        await sites.open();
        for (const name of SITES) for (const partition of [0, 1]) await sites.send(name, partition, 4);
        const comparing = sites.compare();
        for (const [name, partition, count] of chunks) {
          await sites.send(name, partition, count);
          await settled();
        }
        for (const name of SITES) for (const partition of [0, 1]) await sites.send(name, partition, 100);
        expect(await comparing).toEqual(ALIKE);
        // Nobody is held any more.
        await eventually(() =>
          [...sites.sites.values()].every(({ applier }) => applier.origins.applied('paris', 1).seq === 60),
        );
      }),
      { numRuns: 10 },
    );
  }, 30_000);

  it('finds them equal whatever deletions each has forgotten, or is about to', async () => {
    await using sites = new Sites();
    await sites.open();
    const all = SITES.map((name) => sites.sites.get(name)!.applier);
    // Four files, so that there is something to merge.
    for (let seq = 8; seq < 48; seq += 10) {
      for (const name of SITES) for (const partition of [0, 1]) await sites.send(name, partition, 10);
      for (const applier of all) {
        await eventually(() => [0, 1].every((p) => applier.origins.applied('paris', p).seq === seq));
        if (seq < 38) await applier.flush();
      }
    }
    const [paris, tokyo, quito] = all as [KeyspaceApplier, KeyspaceApplier, KeyspaceApplier];
    const gcWatermark = { ms: Number.MAX_SAFE_INTEGER, counter: 0 };
    paris.forgetBelow(gcWatermark);
    tokyo.forgetBelow({ ms: 1, counter: 0 });
    await paris.flush();
    for (const store of paris.stores.partitions(0)) await store.compact();
    expect(paris.stores.purged).not.toBe(null);
    expect(quito.stores.purged).toBe(null);
    expect(await sites.compare()).toEqual(ALIKE);
    // Nobody goes on while it is held: the others were told how far it had come.
    const held = await sites.ask('site://tokyo/', { id: 'one', at: null, forMs: 100 });
    expect(held.body).toMatchObject({ gcWatermark: { ms: 1, counter: 0 } });
    tokyo.forgetBelow(gcWatermark);
    expect(tokyo.stores.forgotten).toEqual({ ms: 1, counter: 0 });
  });

  it('names the partition that differs, the site that lags, and the one that is away', async () => {
    await using sites = new Sites();
    await sites.open();
    for (const name of SITES) for (const partition of [0, 1]) await sites.send(name, partition, 10);
    for (const { applier } of sites.sites.values()) {
      await applier.progress.until(() => [0, 1].every((p) => applier.origins.applied('paris', p).seq === 8), 5_000);
    }
    expect(await sites.compare()).toEqual(ALIKE);

    // The same position, another cell.
    const { applier } = sites.sites.get('tokyo')!;
    await sites.send('paris', 1, 1);
    await sites.send('quito', 1, 1);
    const { site } = sites.sites.get('tokyo')!;
    const other = sampleLog(8, LOCAL, 1).maker.rows([row(7, 7)]);
    await site.append(site.topicOf('paris'), 1, [other]);
    await eventually(() => applier.origins.applied('paris', 1).seq === 9);
    expect(await sites.compare()).toEqual({ ...ALIKE, tokyo: ['MATCH', 'DIVERGED'] });

    sites.silent.add('quito');
    await sites.send('paris', 0, 3);
    await sites.sites
      .get('paris')!
      .applier.progress.until(() => sites.sites.get('paris')!.applier.origins.applied('paris', 0).seq === 11, 5_000);
    const late = await sites.compare(100);
    expect(late).toEqual({
      paris: ['MATCH', 'MATCH'],
      tokyo: ['LAGGING', 'LAGGING'],
      quito: ['UNREACHABLE', 'UNREACHABLE'],
    });
  });

  it('asks again for a digest that is lost, and waits longer each time; not for a site that is away', async () => {
    await using sites = new Sites();
    await sites.open();
    for (const name of SITES) for (const partition of [0, 1]) await sites.send(name, partition, 10);
    sites.lost = ['paris', '', '', 'paris', '', ''];
    const reachMs = 2_000;
    expect(await sites.compare(reachMs)).toEqual(ALIKE);
    expect([...new Set(sites.waitsMs)]).toEqual([15_000 + reachMs, 30_000 + reachMs, 60_000 + reachMs]);
    sites.silent.add('quito');
    sites.waitsMs.length = 0;
    expect((await sites.compare(reachMs)).quito).toEqual(['UNREACHABLE', 'UNREACHABLE']);
    expect(sites.waitsMs).toEqual([15_000 + reachMs, 15_000 + reachMs]);
  });

  it('goes on by itself when whoever asked is gone, and takes one comparison at a time', async () => {
    await using sites = new Sites();
    await sites.open();
    const { applier } = sites.sites.get('tokyo')!;
    const ask = (id: string) => sites.ask('site://tokyo/', { id, at: null, forMs: 150 });
    expect((await ask('one')).status).toBe(200);
    expect((await ask('two')).status).toBe(503);
    await sites.send('tokyo', 0, 5);
    await settled();
    expect(applier.origins.applied('paris', 0).seq).toBe(-1);
    await eventually(() => applier.origins.applied('paris', 0).seq === 3);
    expect((await ask('two')).status).toBe(200);
  });
});
