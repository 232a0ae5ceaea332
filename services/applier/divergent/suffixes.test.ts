/**
 * What a client was told is stored is in the tables or in the tail's file, to the row: acked = kept + exported. Every
 * record of a term is in its origin's log or in some mirror of it, so that both together are all there ever was.
 */

import type { JsonRow } from '@tidemark/columnar/json-rows';
import { SILENT } from '@tidemark/platform/logger';
import type { Answer, Network } from '@tidemark/platform/network';
import { SeededRandom } from '@tidemark/platform/random';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import { SystemClock } from '@tidemark/platform/system-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyspaceApplier } from '../applier.ts';
import { reaches, SYNC, TestSite } from '../testing/fake-site.ts';
import { makeTurns, type Turns } from '../testing/fake-turns.ts';
import { cellsOf, readSummaries } from './suffix-file.ts';
import { DivergentSuffixes, type SuffixAsked } from './suffixes.ts';

const SITES = SYNC.sites.map(({ name }) => name);
const NEVER = new AbortController().signal;
const EXPORT: Omit<SuffixAsked, 'origin'> = { others: [], classify: false, fate: 'exported', primary: () => 'tokyo' };

type Opened = { readonly site: TestSite; readonly applier: KeyspaceApplier; readonly tails: DivergentSuffixes };

/** Sites that can ask one another for what they hold, and a primary that takes rows. */
class Sites implements Network {
  readonly opened = new Map<string, Opened>();
  readonly written = new Map<string, object>();

  async open(name: string, turns: Turns, holds: (origin: string, index: number) => boolean): Promise<Opened> {
    const site = new TestSite(name);
    for (const [origin, logs] of turns.logs) {
      for (const [partition, records] of logs.entries()) {
        const values = records.filter(({ counts }, i) => counts || holds(origin, i)).map(({ value }) => value);
        await site.append(site.topicOf(origin), partition, values);
      }
    }
    site.known = turns.epochEnds;
    const applier = await site.start(SYNC);
    const tails = new DivergentSuffixes({ ...site.parts(), network: this });
    const opened = { site, applier, tails };
    this.opened.set(name, opened);
    return opened;
  }

  async *lines(url: string, signal: AbortSignal): AsyncGenerator<string> {
    const [, name, origin] = /^site:\/\/([^/]+)\/v1\/internal\/tail\/ks\/([^/]+)$/.exec(url)!;
    const { applier, tails } = this.opened.get(name!)!;
    for await (const line of tails.lines(applier, origin!, signal)) yield line.trim();
  }

  async ask(_url: string, body: object | null, _timeoutMs: number, headers = {}): Promise<Answer> {
    const { rows } = body as { readonly rows: readonly object[] };
    this.written.set((headers as Record<string, string>)['idempotency-key']!, rows);
    return { status: 200, body: { accepted: rows.length, rejected: 0 } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { applier } of this.opened.values()) await applier[Symbol.asyncDispose]();
  }
}

async function linesOf(disk: TestSite['disk'], file: string): Promise<Record<string, unknown>[]> {
  const text = Buffer.from(await disk.read(file)).toString('utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const turn = fc.record({
  site: fc.constantFrom(...SITES),
  kept: fc.tuple(fc.nat(4), fc.nat(4)),
  beyond: fc.tuple(fc.nat(4), fc.nat(4)),
});
const history = fc
  .array(turn, { minLength: 1, maxLength: 4 })
  .map((some) => [...some, { site: 'tokyo', kept: [2, 2], beyond: [0, 0] }]);

/** Paris leaves two rows beyond its epoch end in partition 0, and one in partition 1. */
const turns = makeTurns(SYNC, [
  { site: 'paris', kept: [3, 2], beyond: [2, 1] },
  { site: 'tokyo', kept: [3, 2], beyond: [0, 0] },
]);

describe('a divergent suffix', () => {
  it('and what counts are together every row that was ever acknowledged, each once, whoever holds it', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.constantFrom('paris', 'tokyo'), fc.boolean(), async (some, holder, both) => {
        const made = makeTurns(SYNC, some);
        await using sites = new Sites();
        const paris = await sites.open('paris', made, () => holder === 'paris' || both);
        await sites.open('tokyo', made, () => holder === 'tokyo' || both);
        for (const origin of SITES) {
          const report = await paris.tails.write(paris.applier, { ...EXPORT, origin, others: ['tokyo'] }, NEVER);
          const records = made.logs.get(origin)!.flatMap((log) => log.slice(1));
          const closed = records.filter(({ epoch }) => epoch < some.length);
          const kept = closed.filter(({ counts }) => counts).length;
          expect(report.kept.records).toBe(kept);
          expect(report.tails.reduce((sum, tail) => sum + tail.records, 0)).toBe(closed.length - kept);
          const places: string[] = [];
          for (const { file, rows, sites: held } of report.tails) {
            const lines = await linesOf(paris.site.disk, file);
            expect(lines).toHaveLength(rows);
            expect(held).toEqual(both ? ['paris', 'tokyo'] : [holder]);
            places.push(...lines.map(({ epoch, partition, seq, row }) => `${epoch}/${partition}/${seq}/${row}`));
          }
          expect(new Set(places).size).toBe(places.length);
          // One row in every record but the first of an epoch.
          const acked = some.slice(0, -1).flatMap(({ site, kept: k, beyond }) => {
            return site === origin ? k.map((count, p) => Math.max(0, count + beyond[p]! - 1)) : [];
          });
          expect(report.kept.rows + places.length).toBe(acked.reduce((sum, count) => sum + count, 0));
        }
      }),
      { numRuns: 25 },
    );
  }, 30_000);

  it('is classified cell by cell, and what is lost is written again once, however often it is asked for', async () => {
    await using sites = new Sites();
    const { site, applier, tails } = await sites.open('paris', turns, () => true);
    for (const partition of [0, 1]) applier.committed(partition, 'tokyo', { epoch: 2, seq: 2 });
    await reaches(applier, '2:2', 0, 'tokyo');
    await reaches(applier, '2:1', 1, 'tokyo');
    const asked: SuffixAsked = { ...EXPORT, origin: 'paris', classify: true, fate: 'applied' };
    const report = await tails.write(applier, asked, NEVER);
    expect(report.tails).toMatchObject([{ epoch: 1, records: 3, rows: 3, fate: 'applied', sites: ['paris'] }]);
    const verdicts = await linesOf(site.disk, 'tails/ks/paris-1.verdicts.ndjson');
    // By stamp paris' writes would win over those tokyo made later, by a clock that had not seen them.
    expect(verdicts.map(({ partition, seq, cells }) => [partition, seq, cells])).toEqual([
      [0, 3, { v: 'lost' }],
      [0, 4, { v: 'conflicting' }],
      [1, 2, { v: 'lost' }],
    ]);
    expect(cellsOf(report.tails)).toEqual({ there: 0, superseded: 0, lost: 2, conflicting: 1 });
    const rows = [...sites.written.values()].flat() as JsonRow[];
    expect(rows).toEqual([
      { k: 'k0', v: 103 },
      { k: 'k2', v: 102 },
    ]);
    await tails.write(applier, asked, NEVER);
    expect([...sites.written.values()].flat()).toEqual(rows);
    expect(report.applied).toEqual({ rows: 2, rejected: 0 });
  });

  it('ends the same when the process dies at any step of the disk and is asked again', async () => {
    await using sites = new Sites();
    const { site, applier, tails } = await sites.open('paris', turns, () => true);
    const asked: SuffixAsked = { ...EXPORT, origin: 'paris', classify: true };
    const { tails: expected } = await tails.write(applier, asked, NEVER);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 30 }), fc.nat(), async (after, seed) => {
        const platter = new SimPlatter();
        const disk = new SimDisk(platter);
        disk.hook = (step) => (step.number > after ? 'crash' : 'ok');
        const dying = new DivergentSuffixes({ ...site.parts(new SystemClock()), disk, network: sites });
        await dying.write(applier, asked, NEVER).catch(() => {});
        platter.losePower(new SeededRandom(seed));
        const again = new DivergentSuffixes({ ...site.parts(), disk: new SimDisk(platter), network: sites });
        expect((await again.write(applier, asked, NEVER)).tails).toEqual(expected);
        expect(await readSummaries(new SimDisk(platter), 'ks', SILENT)).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('that was discarded keeps its counts and its hash, and comes back only when it has grown', async () => {
    await using sites = new Sites();
    const { site, applier, tails } = await sites.open('paris', turns, () => true);
    const [exported] = (await tails.write(applier, { ...EXPORT, origin: 'paris' }, NEVER)).tails;
    const discard: SuffixAsked = { ...EXPORT, origin: 'paris', fate: 'discarded' };
    const [discarded] = (await tails.write(applier, discard, NEVER)).tails;
    expect(discarded).toEqual({ ...exported, fate: 'discarded' });
    expect(await site.disk.exists(exported!.file)).toBe(false);
    const [later] = (await tails.write(applier, { ...EXPORT, origin: 'paris' }, NEVER)).tails;
    expect(later).toEqual(discarded);
    expect(await site.disk.exists(exported!.file)).toBe(false);
  });

  it('is written by one at a time, and each of those who ask at once gets the same', async () => {
    await using sites = new Sites();
    const { applier, tails } = await sites.open('paris', turns, () => true);
    const asked: SuffixAsked = { ...EXPORT, origin: 'paris' };
    const all = await Promise.all(Array.from({ length: 4 }, () => tails.write(applier, asked, NEVER)));
    for (const report of all) expect(report).toEqual(all[0]);
  });
});
