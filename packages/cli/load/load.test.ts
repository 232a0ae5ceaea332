/** What a load and its ledger promise, whatever the sites do and wherever the client is killed. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@tidemark/client';
import { type Behaviour, ScriptedSite } from '@tidemark/client/testing/scripted-site';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LedgerFile, LedgerWriter, parseLedger } from './ledger.ts';
import { readLedger } from './ledger-file.ts';
import { loadRows } from './load-rows.ts';
import { linesSource, sourceBatches } from './row-source.ts';
import { type TableShape, verifyLedger } from './verify-ledger.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-load-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const shape: TableShape = { columns: { k: 'string', n: 'int', at: 'timestamp' }, partitionKey: 'k' };

function lines(count: number): string[] {
  return Array.from({ length: count }, (_, n) => JSON.stringify({ k: `k${n}`, n, at: '2001-01-01T00:00:00Z' }));
}

const place = { keyspace: 'travel', table: 'things' } as const;
const anything = fc.constantFrom<Behaviour>(
  'ok',
  'ok',
  'busy',
  'stored504',
  'lost504',
  'storedDrop',
  'lostDrop',
  'storedCut',
);
let files = 0;

describe('a load with a ledger', () => {
  test('killed at any byte of its ledger and resumed: every row is there, each batch under one key, stored once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(37),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(anything, { maxLength: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (count, batchRows, inFlight, script, cutAt) => {
          await using site = await ScriptedSite.start();
          await using db = await connect([site.url]);
          site.script = script;
          const ledgerPath = join(folder, `ledger-${files++}`);
          const load = { ...place, db, source: linesSource('things', lines(count)), ledgerPath, inFlight };
          const first = await loadRows({ ...load, batchRows });
          // The client died while this much of the ledger was on the disk; the site keeps all it stored.
          const whole = await readFile(ledgerPath);
          await writeFile(ledgerPath, whole.subarray(0, Math.floor(whole.length * cutAt)));
          const left = parseLedger((await readFile(ledgerPath)).toString(), ledgerPath);
          const prefix = { idempotencyPrefix: left?.head.idempotencyPrefix ?? first.idempotencyPrefix };
          const second = await loadRows({ ...load, ...(left === null ? { batchRows } : {}), ...prefix, resume: true });

          expect(second.resumed + second.accepted).toBe(count);
          const ledger = (await readLedger(ledgerPath))!;
          expect(ledger.entries.size).toBe(Math.ceil(count / batchRows));
          expect(site.rows.size).toBe(count);
          const keys = [...ledger.entries.keys()].map((batch) => `${ledger.head.idempotencyPrefix}-${batch}`);
          expect([...site.stored.keys()].sort()).toEqual(keys.sort());
          expect((await readFile(ledgerPath, 'utf8')).split('\n')).toHaveLength(ledger.entries.size + 2);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('stopped by a signal ends what is on its way, and its ledger is whole', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    const stop = new AbortController();
    const ledgerPath = join(folder, 'stopped');
    const source = linesSource('things', lines(100));
    const onProgress = (): void => stop.abort();
    const result = await loadRows({
      ...place,
      db,
      source,
      ledgerPath,
      batchRows: 10,
      inFlight: 2,
      signal: stop.signal,
      onProgress,
    });
    expect(result.stoppedBy).toBe('signal');
    const ledger = (await readLedger(ledgerPath))!;
    expect(ledger.entries.size * 10).toBe(result.accepted);
    expect(site.rows.size).toBe(result.accepted);
  });

  test('of another table or source is refused, naming both; one that exists needs resume', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    const load = { ...place, db, source: linesSource('things', lines(3)), ledgerPath: join(folder, 'others') };
    await loadRows(load);
    await expect(loadRows(load)).rejects.toThrow(/exists already: --resume/);
    const resume = { ...load, resume: true };
    await expect(loadRows({ ...resume, table: 'others' })).rejects.toThrow(
      /table travel.things, asked for travel.others/,
    );
    const other = linesSource('stuff', lines(3));
    await expect(loadRows({ ...resume, source: other })).rejects.toThrow(/source things, asked for stuff/);
    await expect(loadRows({ ...resume, batchRows: 7 })).rejects.toThrow(/batches of 1000 rows, asked for 7/);
  });

  test.each(['refused', 'allBad'] as const)(
    'that a site refuses whole (%s) stops at once and says why',
    async (how) => {
      await using site = await ScriptedSite.start();
      site.script = new Array<Behaviour>(100).fill(how);
      await using db = await connect([site.url]);
      const load = { ...place, db, source: linesSource('x', lines(50)), batchRows: 2, inFlight: 1 };
      expect(await loadRows(load)).toMatchObject({ accepted: 0, rejected: 2, stoppedBy: { kind: 'invalid' } });
      site.script = ['ok', how];
      expect(await loadRows(load)).toMatchObject({
        accepted: 48,
        rejected: 2,
        stoppedBy: null,
        errors: { 0: { row: 3 } },
      });
    },
  );

  test('that is given up counts its rows as unknown or not stored, never as accepted', async () => {
    await using site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    const source = linesSource('x', lines(20));
    const load = { ...place, db, source, batchRows: 10, inFlight: 1 };
    site.script = ['ok', 'lost504', 'away'];
    expect(await loadRows(load)).toMatchObject({
      accepted: 10,
      unknown: 10,
      notStored: 0,
      stoppedBy: { kind: 'unknown' },
    });
    site.script = ['ok', 'away'];
    expect(await loadRows(load)).toMatchObject({ accepted: 10, unknown: 0, notStored: 10 });
  });
});

describe('the ledger', () => {
  /** Keeps what was appended, and how much of it was synced. */
  function memory(): LedgerFile & { text: string; synced: number; fail: boolean } {
    const file = {
      text: '',
      synced: 0,
      fail: false,
      append: async (text: string) => {
        file.text += text;
      },
      sync: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        if (file.fail) throw new Error('EIO');
        file.synced = file.text.length;
      },
      close: async () => undefined,
    };
    return file;
  }
  const entry = (batch: number) => ({ batch, firstRow: 1, lastRow: 2, token: 't', ackedAtMs: 0 });

  test('an added line is synced when add resolves, and lines added together share a sync', async () => {
    const file = memory();
    let syncs = 0;
    const counted = { ...file, sync: () => file.sync().then(() => void syncs++) };
    await using writer = new LedgerWriter({ ...counted, append: file.append });
    await Promise.all(
      Array.from({ length: 50 }, async (_, batch) => {
        await writer.add(entry(batch));
        expect(file.text.slice(0, file.synced)).toContain(`"batch":${batch},`);
      }),
    );
    expect(syncs).toBeLessThan(10);
  });

  test('a line that could not be synced is told to whoever added it', async () => {
    const file = memory();
    file.fail = true;
    await using writer = new LedgerWriter(file);
    await expect(writer.add(entry(0))).rejects.toThrow('EIO');
    await expect(writer.add(entry(1))).rejects.toThrow('EIO');
  });

  test('a broken line within it is named; one cut short at its end is as if it had not been', () => {
    const head = '{"ledger":1,"table":"a.b","source":"s","batchRows":2,"idempotencyPrefix":"p"}\n';
    const line = `${JSON.stringify(entry(0))}\n`;
    expect(parseLedger(`${head}${line}{"batch":1,"fir`, 'L')).toMatchObject({ wholeBytes: head.length + line.length });
    expect(() => parseLedger(`${head}{"batch":1,"fir\n${line}`, 'L')).toThrow(/L, line 2/);
    expect(() => parseLedger(line, 'L')).toThrow(/line 1.*not the head/);
    expect(parseLedger('{"ledg', 'L')).toBeNull();
  });
});

describe('looking up a ledger', () => {
  const rows = lines(40);

  async function loaded(): Promise<{
    site: ScriptedSite;
    ledger: NonNullable<Awaited<ReturnType<typeof readLedger>>>;
  }> {
    const site = await ScriptedSite.start();
    await using db = await connect([site.url]);
    const ledgerPath = join(folder, `verify-${files++}`);
    await loadRows({ ...place, db, source: linesSource('s', rows), ledgerPath, batchRows: 10 });
    return { site, ledger: (await readLedger(ledgerPath))! };
  }

  test('finds every missing, wrong and extra row at the site where it is, and nothing else', async () => {
    const { site: paris, ledger } = await loaded();
    await using _paris = paris;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(39), { maxLength: 5 }),
        fc.uniqueArray(fc.nat(39), { maxLength: 5 }),
        fc.nat(3),
        async (gone, changed, extra) => {
          await using tokyo = await ScriptedSite.start('tokyo');
          for (const [key, row] of paris.rows) tokyo.rows.set(key, { ...row, at: '2001-01-01T01:00:00.000+01:00' });
          for (const n of changed) tokyo.rows.set(`["k${n}"]`, { ...tokyo.rows.get(`["k${n}"]`), n: n + 1 });
          for (const n of gone) tokyo.rows.delete(`["k${n}"]`);
          for (let n = 0; n < extra; n++) tokyo.rows.set(`x${n}`, { k: `x${n}`, n });
          const source = linesSource('s', rows);
          const verdict = await verifyLedger({ ledger, source, table: shape, sites: [paris.url, tokyo.url] });
          const wrong = changed.filter((n) => !gone.includes(n)).length;
          expect(verdict).toMatchObject({ checked: 80, missing: gone.length, wrong, extra, unacked: 0 });
          expect(verdict.sites[0]).toMatchObject({ missing: 0, wrong: 0, extra: 0, rows: 40 });
        },
      ),
      { numRuns: 20 },
    );
  });

  test('a row that is there without an ack is neither missing nor extra', async () => {
    const { site, ledger } = await loaded();
    await using _site = site;
    const entries = new Map(ledger.entries);
    entries.delete(2);
    const source = linesSource('s', rows);
    const verdict = await verifyLedger({ ledger: { ...ledger, entries }, source, table: shape, sites: [site.url] });
    expect(verdict).toMatchObject({ checked: 30, missing: 0, wrong: 0, extra: 0, unacked: 10 });
  });

  test('says nothing about a site whose scan did not come to its end', async () => {
    const { site, ledger } = await loaded();
    await using _site = site;
    site.scanEnd = 'noEnd';
    const source = linesSource('s', rows);
    const verdict = verifyLedger({ ledger, source, table: shape, sites: [site.url] });
    await expect(verdict).rejects.toMatchObject({ kind: 'unknown' });
  });
});

test('a batch holds the same rows wherever reading starts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(30),
      fc.integer({ min: 1, max: 8 }),
      fc.nat(6),
      fc.nat(35),
      async (count, batchRows, fromBatch, rowLimit) => {
        const source = linesSource('s', lines(count));
        const collect = async (from: number): Promise<unknown[]> => {
          const found: unknown[] = [];
          for await (const batch of sourceBatches(source, { batchRows, fromBatch: from, rowLimit })) found.push(batch);
          return found;
        };
        expect(await collect(fromBatch)).toEqual((await collect(0)).slice(fromBatch));
      },
    ),
  );
});
