import { RowBatch } from '@tidemark/columnar/row-batch';
import { formatKeyspaceFile, parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { ackOf } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { SystemClock } from '@tidemark/platform/system-clock';
import { type Envelope, NO_CHAIN } from '@tidemark/record/envelope';
import { openRecord, sealRecord } from '@tidemark/record/seal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { committedSeq } from './appending/committed.ts';
import { Growth } from './ingress/growth.ts';
import { ndjsonReply } from './ingress/ndjson.ts';
import { addRow, slicesOf } from './ingress/slicing.ts';
import { type Receipt, submit } from './ingress/submit.ts';
import { setUpWriter } from './testing/writer-harness.ts';
import type { Writer } from './writer.ts';

const clock = new SystemClock();
const setUp = setUpWriter;

const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ origin: `O${(from + i) % 7}`, line: from + i, delay: i }));

function put(
  writer: Writer,
  list: readonly object[],
  { key = '', timeoutMs = 2_000, k = writer.keyspace.ack.k } = {},
): Promise<Receipt> {
  const growth = new Growth(writer);
  const into = new RowBatch();
  for (const row of list) addRow(growth, 'flights', row, into);
  const head = {
    table: growth.table('flights'),
    schemaVersion: growth.keyspace.version,
    requestId: key === '' ? '' : `${key}/0`,
  };
  return submit(writer, slicesOf(head, into, 4), { ack: ackOf(k), timeoutMs, clock, site: 'paris', growth });
}

describe('committed', () => {
  it('is held by the origin and k others, and by no fewer', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1, max: 9 }),
        fc.array(fc.integer({ min: -1, max: 9 })),
        fc.nat(4),
        (own, durable, k) => {
          const seq = committedSeq(own, durable, k);
          const holders = (at: number): number => durable.filter((held) => held >= at).length;
          if (seq >= 0) {
            expect(own).toBeGreaterThanOrEqual(seq);
            expect(holders(seq)).toBeGreaterThanOrEqual(k);
          }
          expect(own > seq && holders(seq + 1) >= k).toBe(false);
        },
      ),
    );
  });
});

describe('writer', () => {
  it('opens its epoch in every partition and carries the tables ahead of the rows', async () => {
    const { start, accepted } = await setUp('local');
    await using writer = await start();
    await put(writer, rows(50));
    for (const envelopes of await accepted()) {
      expect(envelopes.slice(0, 2).map(({ body }) => body.kind)).toEqual(['EpochStart', 'Schema']);
      expect(envelopes.map(({ seq }) => seq)).toEqual(envelopes.map((_, i) => i));
    }
  });

  it('a process that starts again owns a new epoch that follows the epoch end of the last', async () => {
    const { start, accepted, rowsIn } = await setUp('local');
    for (const epoch of [1, 2, 3]) {
      await using writer = await start();
      expect(writer.epoch).toBe(epoch);
      await put(writer, rows(20, epoch * 100));
    }
    expect(await rowsIn()).toBe(60);
    const stamps = (await accepted()).map((list) => list.map((e) => [e.stampMs, e.stampCounter] as const));
    for (const list of stamps) {
      for (let i = 1; i < list.length; i++) {
        const [a, b] = [list[i - 1]!, list[i]!];
        expect(b[0] > a[0] || (b[0] === a[0] && b[1] > a[1])).toBe(true);
      }
    }
  });

  it('acks sync(1) only when one other site holds it, and sync(2) only when two do', async () => {
    for (const [level, sites] of [
      ['sync(1)', ['tokyo']],
      ['sync(2)', ['tokyo', 'quito']],
    ] as const) {
      const { start, network } = await setUp(level);
      await using writer = await start();
      network.say(100, ...sites.slice(1));
      let acked = false;
      const receipt = put(writer, rows(5)).then((r) => {
        acked = true;
        return r;
      });
      await clock.sleep(150);
      expect(acked).toBe(false);
      network.say(100, sites[0]);
      expect((await receipt).accepted).toBe(5);
    }
  });

  it('what another epoch or another mirror topic holds does not count', async () => {
    const { start, network } = await setUp('sync(1)');
    await using writer = await start();
    network.epoch = 9;
    network.say(100, 'tokyo', 'quito');
    await expect(put(writer, rows(1), { timeoutMs: 200 })).rejects.toMatchObject({ kind: 'unknown' });
    writer.commits.heard({ site: 'tokyo', logId: 'remade', positions: Array(4).fill([1, 100]) });
    await expect(put(writer, rows(1), { timeoutMs: 200 })).rejects.toMatchObject({ kind: 'unknown' });
  });

  it('says unknown, not stored-or-not, when the ack does not come in time; a repeat is answered and not written', async () => {
    const { start, network, rowsIn } = await setUp('sync(1)');
    await using writer = await start();
    await expect(put(writer, rows(30), { key: 'k1', timeoutMs: 150 })).rejects.toMatchObject({ kind: 'unknown' });
    network.say(100, 'tokyo');
    expect((await put(writer, rows(30), { key: 'k1' })).accepted).toBe(30);
    expect(await rowsIn()).toBe(30);
  });

  it('knows a request again after a restart, because it is in the log', async () => {
    const { start, rowsIn } = await setUp('local');
    for (let life = 0; life < 3; life++) {
      await using writer = await start();
      await put(writer, rows(40), { key: 'once' });
    }
    expect(await rowsIn()).toBe(40);
  });

  it('refuses another batch under a key that was used', async () => {
    const { start } = await setUp('local');
    await using writer = await start();
    await put(writer, rows(40), { key: 'k' });
    await expect(put(writer, rows(90), { key: 'k' })).rejects.toMatchObject({ kind: 'keyReused' });
  });

  it('nothing is stored of what never got its turn', async () => {
    const { start, store, rowsIn } = await setUp('local');
    await using writer = await start();
    await put(writer, rows(1));
    store.reachable = false;
    const stuck = put(writer, rows(20), { timeoutMs: 300 });
    await clock.sleep(20);
    const waiting = put(writer, rows(20, 50), { timeoutMs: 100 });
    await expect(waiting).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(stuck).rejects.toMatchObject({ kind: 'unknown' });
    store.reachable = true;
    await put(writer, rows(20, 99));
    expect(await rowsIn()).toBe(41);
  });

  it('appends whose answers are lost, late or refused leave each record accepted once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('stored', 'now', 'never', 'late', 'refused'), { maxLength: 12 }),
        async (fates) => {
          const { start, store, rowsIn, ended } = await setUp('local');
          await using writer = await start();
          await put(writer, rows(4));
          const left = [...fates];
          store.fate = () => {
            const fate = left.pop();
            if (fate === 'now' || fate === 'never') return { answer: 'unknown', lands: fate };
            if (fate === 'late') return { answer: 'unknown', lands: { afterMs: 130 } };
            return fate === 'refused' ? { answer: 'refused' } : { answer: 'stored' };
          };
          const receipts = await Promise.all([
            put(writer, rows(8, 10), { timeoutMs: 5_000 }),
            put(writer, rows(8, 20), { timeoutMs: 5_000 }),
          ]);
          expect(receipts.map((r) => r.accepted)).toEqual([8, 8]);
          await clock.sleep(150);
          expect(await rowsIn()).toBe(20);
          expect(ended).toEqual([]);
        },
      ),
      { numRuns: 6 },
    );
  });

  it('ends when its log is fenced, and acks nothing that stands behind the fence', async () => {
    const { start, log, topic, ended } = await setUp('local');
    await using writer = await start();
    await put(writer, rows(1));
    for (let partition = 0; partition < 4; partition++) {
      const fence = sealRecord(
        {
          ...{ cluster: 'c', keyspace: 'travel', origin: 'paris', partition, epoch: 0, seq: -1 },
          ...{ stampMs: 0, stampCounter: 0, writer: 0, committed: -1 },
          body: { kind: 'Fence', closes: 1, by: 2, nonce: 'n' },
        },
        NO_CHAIN,
      ).bytes;
      await log.append(topic, partition, [{ value: fence }]);
    }
    await expect(put(writer, rows(20), { timeoutMs: 300 })).rejects.toBeInstanceOf(Fault);
    expect(ended).toMatchObject([{ kind: 'fenced' }]);
  });

  it('ends when its log lost its end', async () => {
    const { start, store, topic, ended } = await setUp('local');
    await using writer = await start();
    await put(writer, rows(60));
    for (let partition = 0; partition < 4; partition++) store.loseEnd(topic, partition, 2);
    await expect(put(writer, rows(20), { timeoutMs: 300 })).rejects.toBeInstanceOf(Fault);
    expect(ended).toMatchObject([{ kind: 'corrupt' }]);
  });

  it('a barrier names the heads and the rows of all partitions: nothing with a smaller stamp follows them', async () => {
    const { start, accepted } = await setUp('local');
    await using writer = await start();
    for (let i = 0; i < 10; i++) {
      await Promise.all([put(writer, rows(30, i * 100)), i % 3 === 0 ? writer.barrier() : null]);
    }
    const partitions = await accepted();
    const barriers = partitions[0]!.filter(({ body }) => body.kind === 'Barrier');
    expect(barriers.length).toBeGreaterThan(3);
    for (const barrier of barriers) {
      const { body, stampMs, stampCounter } = barrier;
      if (body.kind !== 'Barrier') continue;
      partitions.forEach((envelopes, partition) => {
        const isSmaller = (e: Envelope): boolean =>
          e.stampMs < stampMs || (e.stampMs === stampMs && e.stampCounter < stampCounter);
        for (const e of envelopes) expect(isSmaller(e)).toBe(e.seq <= body.heads[partition]!);
        const below = envelopes.filter(({ seq }) => seq <= body.heads[partition]!);
        const written = below.reduce((sum, e) => sum + (e.body.kind === 'Mutate' ? e.body.rowCount : 0), 0);
        expect(body.rows[partition]).toBe(written);
      });
    }
  });

  it('grows a table by a column that is written, behind its SCHEMA record', async () => {
    const { start, accepted } = await setUp('local', { dynamic: 2 });
    await using writer = await start();
    await put(writer, [{ origin: 'A', line: 1, gate: 'B7' }]);
    const list = (await accepted()).find((envelopes) => envelopes.some(({ body }) => body.kind === 'Mutate'))!;
    const kinds = list.map(({ body }) => body.kind).filter((kind) => kind === 'Schema' || kind === 'Mutate');
    expect(kinds).toEqual(['Schema', 'Schema', 'Mutate']);
    await expect(async () => put(writer, [{ origin: 'A', line: 1, a: 1, b: 2 }])).rejects.toMatchObject({
      kind: 'invalid',
    });
  });

  it('a change of the tables that is asked for again is answered when it is committed, and not before', async () => {
    const { start, network } = await setUp('sync(1)');
    await using writer = await start();
    const file = formatKeyspaceFile(writer.keyspace);
    const { flights } = file.tables;
    const columns = { ...flights!.columns, gate: 'string' };
    const grown = parseKeyspaceFile({ ...file, tables: { ...file.tables, flights: { ...flights, columns } } });
    const answered: number[] = [];
    const asked = [1, 2].map((n) => writer.evolve(grown).then(() => answered.push(n)));
    await clock.sleep(150);
    expect(answered).toEqual([]);
    network.say(100, 'tokyo');
    await Promise.all(asked);
    expect(writer.keyspace.version).toBe(2);
  });

  it('cuts a batch whose partition is larger than a record, and reads back whole', async () => {
    const { start, rowsIn, accepted } = await setUp('local', { dynamic: 1 });
    await using writer = await start();
    await put(
      writer,
      rows(60).map((row) => ({ ...row, origin: 'same', text: 'x'.repeat(50_000) + row.line })),
    );
    expect(await rowsIn()).toBe(60);
    const mutates = (await accepted()).flat().filter(({ body }) => body.kind === 'Mutate');
    expect(mutates.length).toBeGreaterThan(2);
  });
});

describe('ndjson', () => {
  async function post(writer: Writer, body: string | Buffer, chunkBytes = 7): Promise<object[]> {
    const bytes = Buffer.from(body as Buffer);
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
    }
    const options = {
      table: 'flights',
      batchRows: 10,
      key: 'k',
      pending: new SharedMemory(1e9),
      timeoutMs: 2_000,
      clock,
      site: 'paris',
    };
    const lines: object[] = [];
    for await (const line of ndjsonReply(writer, chunks(), { ...options, ack: { name: 'local', k: 0 } }))
      lines.push(JSON.parse(line));
    return lines;
  }

  it('keeps the lines around a broken one and names it by number', async () => {
    const { start, rowsIn } = await setUp('local');
    await using writer = await start();
    const lines = rows(25).map((row) => JSON.stringify(row));
    lines[16] = '{"origin":"ü","line":';
    lines[20] = '{"origin":"A","line":"seven"}';
    const reply = await post(writer, `${lines.join('\n')}\n`);
    expect(reply.filter((line) => 'line' in line)).toMatchObject([{ line: 17 }, { line: 21 }]);
    expect(reply.filter((line) => 'batch' in line)).toMatchObject([
      { batch: 0, lines: [1, 10], accepted: 10 },
      { batch: 1, lines: [11, 20], accepted: 9 },
      { batch: 2, lines: [21, 25], accepted: 4 },
    ]);
    expect(reply.at(-1)).toEqual({ done: true, accepted: 23, rejected: 2 });
    expect(await rowsIn()).toBe(23);
  });

  it('refuses the line that is not UTF-8 by its byte, and keeps the others', async () => {
    const { start, rowsIn } = await setUp('local');
    await using writer = await start();
    const lines = rows(5).map((row) => Buffer.from(`${JSON.stringify(row)}\n`));
    lines.splice(2, 0, Buffer.from('{"origin":"?","line":1}\n'), Buffer.from('{"origin":"é","line":2}\n'));
    lines[2]![11] = 0xff;
    for (const chunkBytes of [1, 7, 10_000]) {
      const reply = await post(writer, Buffer.concat([Buffer.from('\uFEFF'), ...lines]), chunkBytes);
      expect(reply.filter((line) => 'line' in line)).toMatchObject([
        { line: 3, error: { detail: 'body, line 3, byte 12: 0xff is not UTF-8' } },
      ]);
      expect(reply.at(-1)).toEqual({ done: true, accepted: 6, rejected: 1 });
    }
    expect(await rowsIn()).toBe(6);
  });

  it('a request of which nothing is accepted is refused as a whole', async () => {
    const { start } = await setUp('local');
    await using writer = await start();
    await expect(post(writer, 'nonsense\n{"line":1}\n')).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('a repeat under the same key writes nothing twice', async () => {
    const { start, rowsIn } = await setUp('local');
    await using writer = await start();
    const text = rows(35)
      .map((row) => JSON.stringify(row))
      .join('\n');
    await post(writer, text);
    expect((await post(writer, text, 1_000)).at(-1)).toEqual({ done: true, accepted: 35, rejected: 0 });
    expect(await rowsIn()).toBe(35);
  });
});

describe('log bytes', () => {
  it('every record a writer makes opens and says who made it', async () => {
    const { start, log, topic } = await setUp('local');
    await using writer = await start();
    await put(writer, rows(5));
    for await (const batch of log.read({
      topic,
      partition: 0,
      from: 1,
      signal: new AbortController().signal,
      untilEnd: true,
    })) {
      for (const { value } of batch.records)
        expect(openRecord(value).envelope).toMatchObject({ origin: 'paris', epoch: 1 });
    }
  });
});
