import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SimLog } from '@tidemark/log/sim/sim-log';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { asWritten, readState, writeState } from '@tidemark/platform/state-file';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReplicatorCheckpoint } from './replicator.ts';
import { clock, genesis, LOG, MIRROR, PATH, sequence, setUpMirror as setUp, until } from './testing/mirror-harness.ts';

describe('mirror', () => {
  it('copies the same bytes in the same order and says what is durable', async () => {
    const { append, start, copied } = await setUp();
    const values = sequence(5);
    await append(values);
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 4);
    expect(await copied()).toEqual(values);
    expect(mirror.logId).toBe('b');
  });

  it('waits for an origin whose topic is not made yet, and calls that no error; one that is gone again is one', async () => {
    const { origin, append, start, copied, errors, remake } = await setUp();
    origin.deleteTopic(LOG);
    await using mirror = await start();
    await clock.sleep(400);
    expect(errors).toEqual([]);
    await remake();
    const values = sequence(3);
    await append(values);
    await until(() => mirror.replicators[0]!.durable.seq === 2);
    expect([errors, await copied()]).toEqual([[], values]);
    origin.deleteTopic(LOG);
    await until(() => errors.length > 0);
  });

  it('copies each record once however the origin repeats, skips ahead or damages it', async () => {
    const values = sequence(6);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.nat(5), flip: fc.option(fc.nat(200)) }), { maxLength: 20 }),
        async (noise) => {
          const { append, start, copied } = await setUp();
          for (const { at, flip } of noise) {
            const value = Buffer.from(values[at]!);
            if (flip !== null) value[flip % value.length]! ^= 1;
            await append([value]);
          }
          await append(values);
          await using mirror = await start();
          await until(() => mirror.replicators[0]!.durable.seq === 5);
          expect(await copied()).toEqual(values);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('goes on where it was after a restart, with or without its checkpoint', async () => {
    const { append, start, copied } = await setUp();
    const values = sequence(9);
    await append(values.slice(0, 3));
    for (const [end, next] of [
      [3, 6],
      [6, 9],
    ] as const) {
      await using mirror = await start();
      await until(() => mirror.replicators[0]!.durable.seq === end - 1);
      await append(values.slice(end, next));
      await until(() => mirror.replicators[0]!.durable.seq === next - 1);
    }
    expect(await copied()).toEqual(values);
  });

  it('believes no checkpoint that says it has copied more than it holds, however quiet the origin is', async () => {
    const { append, start, copied, folder } = await setUp();
    const values = sequence(9);
    await append(values.slice(0, 4));
    {
      await using mirror = await start();
      await until(() => mirror.replicators[0]!.durable.seq === 3);
      const path = join(folder, PATH);
      await until(() => existsSync(path) && readFileSync(path, 'utf8').includes('"originOffset":4'));
    }
    const end = await append(values.slice(4));
    const disk = new NodeDisk(folder);
    const [checkpoint] = (await readState(disk, PATH, asWritten<ReplicatorCheckpoint[]>()))!;
    await writeState(disk, PATH, [{ ...checkpoint, originOffset: end + 4 }]);
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 8);
    expect(await copied()).toEqual(values);
  });

  it('an append whose answer is lost is settled: one copy accepted, durable only then', async () => {
    const { append, start, here } = await setUp();
    const values = sequence(4);
    let fates = 0;
    here.fate = () => {
      fates++;
      if (fates === 1) return { answer: 'unknown', lands: 'now' };
      if (fates === 2) return { answer: 'unknown', lands: { afterMs: 300 } };
      return fates === 3 ? { answer: 'refused' } : { answer: 'stored' };
    };
    await append(values);
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 3);
    expect(mirror.replicators[0]!.stopped).toBeNull();
  });

  it('two mirrors of one site at once are harmless', async () => {
    const { append, start, copied } = await setUp();
    const values = sequence(8);
    await append(values.slice(0, 4));
    await using one = await start();
    await using two = await start();
    await append(values.slice(4));
    await until(() => one.replicators[0]!.durable.seq === 7 && two.replicators[0]!.durable.seq === 7);
    const distinct = (await copied()).filter((value, i, all) => all.findIndex((other) => other.equals(value)) === i);
    expect(distinct).toEqual(values);
  });

  it('a cut link is taken up again without losing the place', async () => {
    const { append, start, copied, origin } = await setUp();
    const values = sequence(6);
    await append(values.slice(0, 3));
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 2);
    origin.reachable = false;
    await clock.sleep(100);
    origin.reachable = true;
    await append(values.slice(3));
    await until(() => mirror.replicators[0]!.durable.seq === 5);
    expect(await copied()).toEqual(values);
  });

  it('copies nothing of another history from a log that was deleted and made again', async () => {
    const { append, start, origin, copied } = await setUp();
    const values = sequence(3);
    await append(values);
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 2);
    origin.deleteTopic(LOG);
    const again = new SimLog(origin, 'paris');
    await again.ensureTopic({ name: LOG, partitions: 1, flushed: true, genesis: () => genesis('other') });
    const strange = sequence(9, 'another writer').map((value) => ({ value }));
    await again.append(LOG, 0, strange);
    await until(() => mirror.replicators[0]!.counts.ignored > 0 || mirror.replicators[0]!.stopped !== null);
    expect(await copied()).toEqual(values);
  });

  it('what is stored behind a fence is copied and not promised; a fence of the same epoch is written once', async () => {
    const { append, start, here } = await setUp();
    const values = sequence(6);
    await append(values.slice(0, 3));
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 2);
    const fence = { closes: 1, by: 2, nonce: 'n' };
    await Promise.all([mirror.fence(fence), mirror.fence(fence)]);
    await mirror.fence(fence);
    expect(mirror.heads()).toMatchObject([{ epoch: 1, seq: 2 }]);
    await append(values.slice(3));
    await until(() => mirror.replicators[0]!.tail?.logHead.seq === 5);
    expect(mirror.replicators[0]!.durable).toMatchObject({ epoch: 1, seq: 2 });
    const { end } = await new SimLog(here, 'x').bounds(MIRROR, 0);
    expect(end).toBe(1 + 6 + 1);
  });

  it('stays fenced over a restart', async () => {
    const { append, start } = await setUp();
    const values = sequence(6);
    await append(values.slice(0, 3));
    const first = await start();
    await until(() => first.replicators[0]!.durable.seq === 2);
    await first.fence({ closes: 1, by: 2, nonce: 'n' });
    await append(values.slice(3));
    await until(() => first.heads()[0]!.seq === 5);
    await first[Symbol.asyncDispose]();
    await using second = await start();
    await until(() => second.replicators[0]!.tail !== null);
    expect(second.replicators[0]!.durable).toMatchObject({ epoch: 1, seq: 2 });
  });

  it('fills up to an epoch end from another site that is ahead, while the origin is away', async () => {
    const { append, start, copied, ahead, origin } = await setUp();
    const values = sequence(8);
    await append(values.slice(0, 3));
    await ahead.append(MIRROR, 0, [{ value: values[0]! }, { value: values[0]! }]);
    await ahead.append(
      MIRROR,
      0,
      values.slice(1, 7).map((value) => ({ value })),
    );
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 2);
    origin.reachable = false;
    const epochEnds = [{ seq: 6, chain: '' }];
    expect(mirror.holds(1, epochEnds)).toBe(false);
    expect(await mirror.fill(1, epochEnds, ['paris', 'quito'], 10_000)).toBe(true);
    expect(await copied()).toEqual(values.slice(0, 7));
    origin.reachable = true;
    await append(values.slice(3));
    await until(() => mirror.replicators[0]!.durable.seq === 7);
    expect(await copied()).toEqual(values);
  });

  it('a copy that lost its end gets another identity, above every one it had, and is filled again', async () => {
    const { append, start, here, copied } = await setUp();
    const values = sequence(6);
    await append(values);
    let mirror = await start();
    for (const expected of ['b~1', 'b~2']) {
      await until(() => mirror.replicators[0]!.tail?.logHead.seq === 5);
      await mirror[Symbol.asyncDispose]();
      here.loseEnd(MIRROR, 0, 4);
      mirror = await start();
      expect(mirror.logId).toBe('');
      await until(() => mirror.logId === expected);
    }
    await until(() => mirror.replicators[0]!.tail?.logHead.seq === 5);
    await mirror[Symbol.asyncDispose]();
    const kept = (await copied()).filter((value) => values.some((one) => one.equals(value)));
    expect(kept).toEqual(values);
  });

  it('notices while it runs that its copy lost its end', async () => {
    const { append, start, here } = await setUp();
    const values = sequence(6);
    await append(values.slice(0, 5));
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 4);
    here.loseEnd(MIRROR, 0, 3);
    await append(values.slice(5));
    await until(() => mirror.logId === 'b~1' && mirror.replicators[0]!.tail?.logHead.seq === 5);
  });

  it('gives a topic an identity that has none, as what began it is gone', async () => {
    const { append, start, here } = await setUp();
    await append(sequence(3));
    here.loseEnd(MIRROR, 0, 0);
    await using mirror = await start();
    expect(mirror.logId).toBe('');
    await until(() => mirror.logId !== '' && mirror.replicators[0]!.tail?.logHead.seq === 2);
    expect(['', 'a', 'b', 'c']).not.toContain(mirror.logId);
  });
});
