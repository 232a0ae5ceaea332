/** Copies and sources that were trimmed, deleted, or made again: noticed, named, and filled from whoever has the records. */

import type { Log } from '@tidemark/log/log';
import { SimLog } from '@tidemark/log/sim/sim-log';
import { describe, expect, it } from 'vitest';
import { clock, genesis, LOG, MIRROR, sequence, setUpMirror, until } from './testing/mirror-harness.ts';

const values = sequence(8);
const entries = (from: number, to: number) => values.slice(from, to).map((value) => ({ value }));

/** Tokyo has copied everything, noted how far it went, and is stopped. */
async function stopped() {
  const parts = await setUpMirror(true);
  await parts.append(values);
  const mirror = await parts.start();
  await until(() => mirror.replicators[0]!.durable.seq === 7);
  await clock.sleep(300);
  await mirror[Symbol.asyncDispose]();
  return { ...parts, local: new SimLog(parts.here, 'tokyo') };
}

describe('a copy that was trimmed while it was stopped', () => {
  for (const [what, offset] of [
    ['in the middle', 4],
    ['to its end, with nothing new', 9],
  ] as const) {
    it(`${what}: it has lost its beginning and not its end, gets its next identity, and is filled again`, async () => {
      const { local, start, copied, errors } = await stopped();
      await local.trim(MIRROR, 0, offset);
      {
        await using mirror = await start();
        await until(() => mirror.logId === 'b~1' && mirror.replicators[0]!.durable.seq === 7);
        expect(errors).toEqual([expect.stringMatching(/lost its beginning: it is b~1 from now on/)]);
      }
      // It is whole from its new GENESIS on: nothing more is found missing.
      await using again = await start();
      await until(() => again.replicators[0]!.durable.seq === 7);
      expect(again.logId).toBe('b~1');
      expect((await copied(offset)).slice(-8)).toEqual(values);
    });
  }
});

describe('a copy whose topic is another one', () => {
  it('made again while it was stopped: the checkpoint counts as none', async () => {
    const { here, local, start, copied } = await stopped();
    here.deleteTopic(MIRROR);
    await local.ensureTopic({ name: MIRROR, partitions: 1, flushed: true, genesis: () => genesis('other') });
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 7);
    expect(mirror.logId).toBe('other');
    expect(await copied()).toEqual(values);
  });

  it('deleted while it runs: it is made again, and filled', async () => {
    const { append, here, start, copied } = await setUpMirror(true);
    await append(values.slice(0, 5));
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 4);
    here.deleteTopic(MIRROR);
    await append(values.slice(5));
    await until(() => mirror.logId === 'made-1' && mirror.replicators[0]!.durable.seq === 7);
    expect(await copied()).toEqual(values);
  });
});

describe('a source that was trimmed past the copy', () => {
  it("is said to be, and the copy goes on from another site's", async () => {
    const { origin, append, start, ahead, copied } = await setUpMirror(true);
    const paris = new SimLog(origin, 'paris');
    await append(values.slice(0, 3));
    await ahead.append(MIRROR, 0, entries(0, 6));
    {
      await using mirror = await start();
      await until(() => mirror.replicators[0]!.durable.seq === 2);
    }
    await append(values.slice(3, 7));
    await paris.trim(LOG, 0, 6);
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 6);
    await append(values.slice(7));
    await until(() => mirror.replicators[0]!.durable.seq === 7);
    expect(await copied()).toEqual(values);
    expect(mirror.replicators[0]!.detours.trouble).toBeNull();
    expect(mirror.stranded).toBeNull();
  });

  it('and nobody else has what comes next: it says so, and goes on once somebody has', async () => {
    const { origin, append, start, ahead, copied } = await setUpMirror(true);
    await append(values);
    await new SimLog(origin, 'paris').trim(LOG, 0, 4);
    await ahead.append(MIRROR, 0, entries(0, 1));
    await using mirror = await start();
    await until(() => mirror.stranded !== null);
    expect(mirror.stranded).toMatch(/log\.paris\/0 at paris begins at offset 4 .*follows 1:0; no site/);
    await ahead.append(MIRROR, 0, entries(1, 5));
    await until(() => mirror.replicators[0]!.durable.seq === 7);
    expect(await copied()).toEqual(values);
    expect(mirror.stranded).toBeNull();
  });
});

describe('a source with a record that cannot be read any more', () => {
  it("is left for another site's copy of it", async () => {
    const { append, start, ahead, copied } = await setUpMirror(true);
    const damaged = Buffer.from(values[3]!);
    damaged[20]! ^= 1;
    await append([...values.slice(0, 3), damaged, ...values.slice(4)]);
    await ahead.append(MIRROR, 0, entries(0, 8));
    await using mirror = await start();
    await until(() => mirror.replicators[0]!.durable.seq === 7);
    expect(await copied()).toEqual(values);
  });
});

/** Calls `meanwhile` in the middle of the log operation of that number, the operations of all handles counted. */
function inTheMiddleOf(wanted: number, meanwhile: () => void): (log: Log) => Log {
  let count = 0;
  const get = (log: Log, name: string | symbol): unknown => {
    const value: unknown = Reflect.get(log, name, log);
    if (typeof value !== 'function') return value;
    return (...args: unknown[]) => {
      if (count++ === wanted) meanwhile();
      return value.apply(log, args);
    };
  };
  return (log) => new Proxy(log, { get });
}

describe('a copy that is told to be read again', () => {
  for (const how of ['distrust', 'reopen'] as const) {
    for (const what of ['whole', 'damaged'] as const) {
      it(`by ${how}, in the middle of whatever is done, with a source that is ${what}: it ends nothing, and is filled`, async () => {
        const damaged = Buffer.from(values[3]!);
        damaged[20]! ^= 1;
        let operation = 0;
        for (let isTold = true; isTold; operation++) {
          isTold = false;
          const { append, start, ahead, copied } = await setUpMirror(true);
          await append(what === 'whole' ? values : [...values.slice(0, 3), damaged, ...values.slice(4)]);
          await ahead.append(MIRROR, 0, entries(0, 8));
          const tell = (): void => {
            isTold = true;
            for (const replicator of mirror?.replicators ?? []) replicator[how]();
          };
          let mirror: Awaited<ReturnType<typeof start>> | null = null;
          mirror = await start(inTheMiddleOf(operation, tell));
          await using _ = mirror;
          await until(() => mirror!.replicators[0]!.durable.seq === 7);
          expect(await copied()).toEqual(expect.arrayContaining(values));
        }
        expect(operation).toBeGreaterThan(8);
      }, 30_000);
    }
  }
});

describe('a fill', () => {
  it('waits for a source in which its place is not found at once, however many there are to ask', async () => {
    const { start, ahead, copied } = await setUpMirror(true);
    await ahead.append(MIRROR, 0, entries(0, 8));
    const slowly = (log: Log): Log => {
      const bounds: Log['bounds'] = async (...place) => {
        await clock.sleep(150);
        return log.bounds(...place);
      };
      const get = (_: Log, name: string | symbol): unknown => {
        if (name === 'bounds' && log.address !== 'sim:tokyo') return bounds;
        const value: unknown = Reflect.get(log, name, log);
        return typeof value === 'function' ? value.bind(log) : value;
      };
      return new Proxy(log, { get });
    };
    await using mirror = await start(slowly);
    const isWhole = await mirror.fill(1, [{ seq: 7, chain: '' }], ['paris', 'quito'], 60_000);
    expect(isWhole).toBe(true);
    expect(await copied()).toEqual(values);
  }, 15_000);
});
