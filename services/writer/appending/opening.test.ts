import { RowBatch } from '@tidemark/columnar/row-batch';
import type { Term } from '@tidemark/control/consensus/register-value';
import type { Position } from '@tidemark/model/position';
import { tableNamed } from '@tidemark/model/table';
import type { Disk } from '@tidemark/platform/disk';
import { SILENT } from '@tidemark/platform/logger';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import { SystemClock } from '@tidemark/platform/system-clock';
import { TIMING } from '@tidemark/platform/timing';
import { openRecord } from '@tidemark/record/seal';
import { describe, expect, it } from 'vitest';
import { Growth } from '../ingress/growth.ts';
import { addRow, slicesOf } from '../ingress/slicing.ts';
import { setUpWriter } from '../testing/writer-harness.ts';
import type { Writer } from '../writer.ts';
import { type Opened, type OpeningParts, openLog, writePoint } from './opening.ts';

const clock = new SystemClock();
const timing = { ...TIMING, writerCheckpointMs: 20, requestWindowMs: 50 };
const NOTES = 'checkpoints/writer/travel.json';
const PARTITIONS = [0, 1, 2, 3];

/** Rows of an ingest topic's first records, and a column, as a writer takes them in. */
async function takeIn(writer: Writer): Promise<void> {
  const growth = new Growth(writer);
  const into = new RowBatch();
  for (let line = 0; line < 20; line++) addRow(growth, 'flights', { origin: `O${line % 5}`, line, gate: 'B' }, into);
  growth.adopt();
  const table = tableNamed(writer.keyspace, 'flights');
  const source = { topic: 't1', partition: 0, first: 0, last: 19 };
  const head = { table, schemaVersion: writer.keyspace.version, requestId: '' };
  const stored = slicesOf(head, into, 4, () => source).map(
    ({ partition, body, bytes }) =>
      new Promise<void>((resolve) => {
        writer.write(partition, body, bytes, () => {
          writer.sources.took(partition, table.id, source);
          resolve();
        });
      }),
  );
  await Promise.all(stored);
}

/** paris, which took in a column and ingest records while it was cut off; its term is closed before them. */
async function cutOff() {
  const set = await setUpWriter('sync(1)', { dynamic: 8, timing });
  const writer = await set.start();
  set.network.say(1, 'tokyo');
  await expect.poll(() => PARTITIONS.every((p) => writer.commits.committed(p) >= 1)).toBe(true);
  const epochEnds = (await set.accepted()).map((list) => ({ seq: 1, chain: list.find(({ seq }) => seq === 1)!.chain }));
  await takeIn(writer);
  const termTo = (ends: Term['epochEnds']): Term[] => [{ epoch: 1, site: 'paris', writerId: 'w1', epochEnds: ends }];
  const { log, keyspace } = set;
  const { signal } = new AbortController();
  const parts = { cluster: 'c', site: 'paris', keyspace, log, clock, timing, logger: SILENT, signal };
  const open = (
    disk: Disk,
    ends: Term['epochEnds'] = epochEnds,
    terms = termTo(ends),
    onHole: OpeningParts['onHole'] = () => {},
  ): Promise<Opened> => openLog({ ...parts, disk, terms, onHole });
  return { ...set, writer, open };
}

function known({ keyspace, sources }: Opened): object {
  const columns = keyspace.tables.map((table) => table.columns.map(({ name }) => name));
  return { version: keyspace.version, columns, sources: sources.toJson() };
}

describe('what a writer learns of its log', () => {
  it('has nothing of what it took in while it was cut off, however long ago it noted where it stood', async () => {
    const { writer, open, disk } = await cutOff();
    await clock.sleep(10 * timing.writerCheckpointMs);
    await writer[Symbol.asyncDispose]();
    const noted = (await disk.exists(NOTES)) ? Buffer.from(await disk.read(NOTES)).toString() : '';
    expect(noted).not.toContain('gate');
    await clock.sleep(timing.requestWindowMs);
    const none = new SimDisk(new SimPlatter());
    expect(known(await open(disk))).toEqual(known(await open(none)));
  });

  it('has nothing of a note that lies beyond the epoch end, as where it was acked and an operator gave it up', async () => {
    const { writer, open } = await cutOff();
    const tails = writer.appenders.map((appender) => appender.checkpoint);
    const { keyspace, sources } = writer;
    const disk = new SimDisk(new SimPlatter());
    const old = { stampMs: clock.nowMs() - 1_000 };
    await writePoint({ disk, timing, logger: SILENT }, { ...old, keyspace, sources: sources.toJson(), tails });
    await writer[Symbol.asyncDispose]();
    expect(known(await open(disk))).toEqual(known(await open(new SimDisk(new SimPlatter()))));
  });

  it('is as much from a note as from the start of the log', async () => {
    const { writer, open, disk, network, accepted } = await cutOff();
    network.say(1_000, 'tokyo');
    await expect
      .poll(async () => (await disk.exists(NOTES)) && Buffer.from(await disk.read(NOTES)).includes('gate'))
      .toBe(true);
    await clock.sleep(timing.requestWindowMs + 5 * timing.writerCheckpointMs);
    await writer[Symbol.asyncDispose]();
    const ends = (await accepted()).map((list) => list.at(-1)!);
    const [noted, whole] = [await open(disk, ends), await open(new SimDisk(new SimPlatter()), ends)];
    expect([noted, whole].map(({ windows }) => windows.some(({ forgottenMs }) => forgottenMs > 0))).toEqual([
      true,
      false,
    ]);
    expect(JSON.stringify(known(noted))).toContain('gate');
    expect(known(whole)).toEqual(known(noted));
  });

  it('goes on above every stamp, though nothing stands behind a note', async () => {
    const { writer, open, accepted } = await cutOff();
    await writer[Symbol.asyncDispose]();
    const { tails, keyspace, sources } = await open(new SimDisk(new SimPlatter()));
    const disk = new SimDisk(new SimPlatter());
    const stampMs = clock.nowMs();
    const point = { stampMs, keyspace, sources: sources.toJson(), tails: tails.map((tail) => tail.checkpoint()) };
    await writePoint({ disk, timing, logger: SILENT }, point);
    const ends = (await accepted()).map((list) => list.at(-1)!);
    const openedAt = async (): Promise<{ isNoted: boolean; stampMs: number }> => {
      const opened = await open(disk, ends);
      return { isNoted: opened.windows.every(({ forgottenMs }) => forgottenMs > 0), stampMs: opened.stampMs };
    };
    // A note is as old as its stamps say.
    expect((await openedAt()).isNoted).toBe(false);
    await clock.sleep(timing.requestWindowMs);
    const noted = await openedAt();
    expect(noted.isNoted).toBe(true);
    expect(noted.stampMs).toBeGreaterThanOrEqual(stampMs);
  });

  it('is refused where a record in its midst is damaged, as what is beyond could not count; who can fill it is told', async () => {
    const { writer, open, accepted, topic, store } = await cutOff();
    await writer[Symbol.asyncDispose]();
    const ends = (await accepted()).map((list) => list.at(-1)!);
    const none = () => new SimDisk(new SimPlatter());
    expect((await open(none(), ends)).tails.map(({ logHead }) => logHead.seq)).toEqual(ends.map(({ seq }) => seq));
    const { records } = store.topic(topic)!.partitions[2]!;
    const at = records.findIndex(({ value }) => openRecord(value).envelope.seq === 1);
    const value = Buffer.from(records[at]!.value);
    value[value.length - 1]! ^= 1;
    records[at] = { ...records[at]!, value };
    const holes: [number, Position][] = [];
    await expect(open(none(), ends, undefined, (...hole) => holes.push(hole))).rejects.toMatchObject({
      kind: 'corrupt',
      message: `${topic}/2 cannot be read beyond 1:0, and its last term ended at 1:${ends[2]!.seq}`,
    });
    expect(holes).toEqual([[2, { epoch: 1, seq: 0 }]]);
  });

  it('of a term that the register does not name any more has tables and offsets, but answers no key by it', async () => {
    const { writer, open } = await cutOff();
    const later: Term = {
      epoch: 70,
      site: 'tokyo',
      writerId: 'w70',
      epochEnds: PARTITIONS.map(() => ({ seq: -1, chain: '' })),
    };
    const none = () => new SimDisk(new SimPlatter());
    await writer[Symbol.asyncDispose]();
    const opened = await open(none(), null, [later]);
    // No EPOCH_START has said yet where it ended: what was taken from the ingest is not taken again.
    expect(opened.sources.toJson()).not.toEqual([]);
    expect(opened.windows.every(({ forgottenMs }) => forgottenMs > 0)).toBe(true);
  });
});
