import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SystemClock } from '@tidemark/platform/system-clock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeBreakableLog } from '../contract/contract.ts';
import { bytes, readAll, texts, topic, until } from '../contract/values.ts';
import { SqliteFile } from './sqlite-file.ts';
import { SqliteLog } from './sqlite-log.ts';

const clock = new SystemClock();

async function scratch(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'tidemark-sqlite-log-'));
}

/** As the sqlite3 tool would: a connection of its own that rings no bell. */
function behindItsBack(path: string, sql: string): void {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec(sql);
  database.close();
}

describeBreakableLog('sqlite', async () => {
  const root = await scratch();
  const folder = join(root, 'site');
  const path = join(folder, 'log.db');
  return {
    log: await SqliteLog.open(path, { clock, mode: 'owner' }),
    another: () => SqliteLog.open(path, { clock, mode: 'owner' }),
    deleteTopic: async (name) =>
      behindItsBack(
        path,
        `BEGIN; DELETE FROM record WHERE id >> 37 IN (SELECT slot FROM partition WHERE topic = '${name}');
         DELETE FROM partition WHERE topic = '${name}'; COMMIT`,
      ),
    loseEnd: async (name, partition, end) =>
      behindItsBack(
        path,
        `DELETE FROM record WHERE id >= ${end} +
           (SELECT slot << 37 FROM partition WHERE topic = '${name}' AND number = ${partition}) AND id < 
           (SELECT (slot + 1) << 37 FROM partition WHERE topic = '${name}' AND number = ${partition})`,
      ),
    outage: async () => {
      await rename(folder, `${folder}-away`);
      return { [Symbol.asyncDispose]: () => rename(`${folder}-away`, folder) };
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});

describe('sqlite log', () => {
  let root: string;
  let path: string;
  beforeEach(async () => {
    root = await scratch();
    path = join(root, 'site', 'log.db');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('a reader waits for a log that does not exist yet, then follows it', async () => {
    await using reader = await SqliteLog.open(path, { clock, mode: 'reader' });
    await expect(reader.topics()).rejects.toMatchObject({ kind: 'unavailable' });
    const abort = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of reader.read({ topic: 't', partition: 0, from: 0, signal: abort.signal }))
        seen.push(...texts(batch.records));
    })();
    await clock.sleep(20);
    // Prepared elsewhere and moved in: a reader that meets the file before its topics says 404, and rightly so.
    const before = join(root, 'before');
    {
      await using early = await SqliteLog.open(join(before, 'log.db'), { clock, mode: 'owner' });
      await early.ensureTopic(topic('t'));
    }
    await rename(before, join(root, 'site'));
    await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    await owner.append('t', 0, [{ value: bytes('a') }]);
    await until(() => seen.length > 0);
    expect(seen).toEqual(['a']);
    abort.abort();
    await reading;
  });

  // Its clock stands still, so the 250 ms poll never comes: only the bell can wake this reader.
  it('a reader in another process is woken by the bell', async () => {
    await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    await owner.ensureTopic(topic('t'));
    await using reader = await SqliteLog.open(path, { clock: new SimClock(), mode: 'reader' });
    const abort = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of reader.read({ topic: 't', partition: 0, from: 0, signal: abort.signal }))
        seen.push(...texts(batch.records));
    })();
    for (let i = 0; i < 50; i++) {
      await owner.append('t', 0, [{ value: bytes(`${i}`) }]);
      await until(() => seen.length === i + 1);
    }
    abort.abort();
    await reading;
  });

  it('a record of one partition makes no reader of another one look', async () => {
    await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    await owner.ensureTopic(topic('t', { partitions: 8 }));
    await using reader = await SqliteLog.open(path, { clock: new SimClock(), mode: 'reader' });
    const abort = new AbortController();
    const { signal } = abort;
    const seen: string[] = [];
    const reading = Array.from({ length: 8 }, async (_, partition) => {
      for await (const batch of reader.read({ topic: 't', partition, from: 0, signal }))
        seen.push(...texts(batch.records));
    });
    const looks = vi.spyOn(SqliteFile.prototype, 'view');
    for (let i = 0; i < 20; i++) {
      await owner.append('t', 3, [{ value: bytes(`${i}`) }]);
      await until(() => seen.length === i + 1);
    }
    // One that finds it, and the first of each of the others.
    expect(looks.mock.calls.length).toBeLessThanOrEqual(20 + 8);
    looks.mockRestore();
    abort.abort();
    await Promise.all(reading);
  });

  it('an append is answered before readers of the same handle look for it', async () => {
    await using owner = await SqliteLog.open(path, { clock: new SimClock(), mode: 'owner' });
    await owner.ensureTopic(topic('t'));
    const abort = new AbortController();
    const { signal } = abort;
    const seen: string[] = [];
    const looks = vi.spyOn(SqliteFile.prototype, 'view');
    const reading = (async () => {
      for await (const batch of owner.read({ topic: 't', partition: 0, from: 0, signal }))
        seen.push(...texts(batch.records));
    })();
    expect(looks).toHaveBeenCalledTimes(1);
    looks.mockClear();
    await owner.append('t', 0, [{ value: bytes('a') }]);
    // Whatever whoever appended does at once is done by then.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(looks).not.toHaveBeenCalled();
    await until(() => seen.length === 1);
    expect(looks).toHaveBeenCalledTimes(1);
    looks.mockRestore();
    abort.abort();
    await reading;
  });

  it('killed at any moment it holds every acknowledged record, dense, each once', async () => {
    const program = `
      import { SqliteLog } from '${new URL('./sqlite-log.ts', import.meta.url).href}';
      import { SystemClock } from '@tidemark/platform/system-clock';
      const log = await SqliteLog.open(process.argv[1]!, { clock: new SystemClock(), mode: 'owner' });
      await log.ensureTopic({ name: 't', partitions: 2, genesis: null, flushed: true });
      for (const partition of [0, 1]) void (async () => {
        for (;;) {
          const offset = await log.append('t', partition, [{ value: new Uint8Array(20_000).fill(partition) }]);
          process.send!({ partition, offset });
        }
      })();`;
    const acked = [-1, -1];
    for (const killAfter of [1, 40, 200]) {
      const argv = ['--input-type=module-typescript', '--eval', program, path];
      const child = spawn(process.execPath, argv, {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      const exited = once(child, 'exit');
      let count = 0;
      child.on('message', ({ partition, offset }: { partition: number; offset: number }) => {
        expect(offset).toBeGreaterThan(acked[partition]!);
        acked[partition] = offset;
        if (++count === killAfter) child.kill('SIGKILL');
      });
      await exited;
      await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
      for (const partition of [0, 1]) {
        const records = await readAll(owner, 't', partition);
        expect(records.length).toBeGreaterThan(acked[partition]!);
        expect(records.every((r, i) => r.offset === i && r.value.every((byte) => byte === partition))).toBe(true);
      }
    }
  });

  it('a reader may not change anything', async () => {
    await using _owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    await using reader = await SqliteLog.open(path, { clock, mode: 'reader' });
    await expect(reader.ensureTopic(topic('t'))).rejects.toMatchObject({ kind: 'invalid' });
    await expect(reader.append('t', 0, [{ value: bytes('a') }])).rejects.toMatchObject({ kind: 'invalid' });
    await expect(reader.trim('t', 0, 0)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('a reader of a log put in the place of another one stops, naming both', async () => {
    const ownerOf = async (at: string): Promise<string> => {
      await using owner = await SqliteLog.open(at, { clock, mode: 'owner' });
      await owner.ensureTopic(topic('t', { genesis: () => bytes('g') }));
      return at;
    };
    await ownerOf(path);
    await ownerOf(join(root, 'other', 'log.db'));
    await using reader = await SqliteLog.open(path, { clock, mode: 'reader' });
    const reading = (async () => {
      for await (const _ of reader.read({ topic: 't', partition: 0, from: 1, signal: new AbortController().signal }));
    })();
    const failed = expect(reading).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('t/0') });
    await clock.sleep(20);
    await rename(join(root, 'site'), join(root, 'gone'));
    await rename(join(root, 'other'), join(root, 'site'));
    await failed;
  });

  it('a reader goes on when another index of the write-ahead log was put in the place of the one it has', async () => {
    // Within one process all connections share the index, whatever lies in its place.
    const ownerAppends = (text: string): Promise<unknown> => {
      const program = `
        import { SqliteLog } from ${JSON.stringify(new URL('./sqlite-log.ts', import.meta.url).href)};
        import { SystemClock } from '@tidemark/platform/system-clock';
        const owner = await SqliteLog.open(process.argv[1], { clock: new SystemClock(), mode: 'owner' });
        await owner.ensureTopic({ name: 't', partitions: 1, genesis: null, flushed: true });
        await owner.append('t', 0, [{ value: Buffer.from(process.argv[2]) }]);
        process.kill(process.pid, 'SIGKILL');`;
      const args = ['--no-warnings', '--input-type=module', '-e', program, path, text];
      return promisify(execFile)(process.execPath, args).catch((error) => {
        if (error.signal !== 'SIGKILL') throw error;
      });
    };
    await ownerAppends('a');
    await using reader = await SqliteLog.open(path, { clock, mode: 'reader' });
    expect(texts(await readAll(reader, 't', 0))).toEqual(['a']);
    await copyFile(`${path}-shm`, `${path}-shm.other`);
    await truncate(`${path}-shm.other`, 1_000);
    await rename(`${path}-shm.other`, `${path}-shm`);
    await ownerAppends('b');
    expect(texts(await readAll(reader, 't', 0))).toEqual(['a', 'b']);
  });

  it('opened again it holds everything and goes on at the end', async () => {
    {
      await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
      await owner.ensureTopic(topic('t'));
      await owner.append('t', 0, [{ value: bytes('a') }]);
    }
    await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    expect(await owner.append('t', 0, [{ value: bytes('b') }])).toBe(1);
    expect(texts(await readAll(owner, 't', 0))).toEqual(['a', 'b']);
  });

  it('a bad place fails alone: the appends that share its commit are stored', async () => {
    await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    await owner.ensureTopic(topic('t'));
    const results = await Promise.allSettled([
      owner.append('t', 0, [{ value: bytes('a') }]),
      owner.append('nothing', 0, [{ value: bytes('b') }]),
      owner.append('t', 1, [{ value: bytes('c') }]),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(texts(await readAll(owner, 't', 1))).toEqual(['c']);
  });

  it('closing stores what still waits, ends its readers, and then nothing is available', async () => {
    const owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    await owner.ensureTopic(topic('t'));
    const reading = (async () => {
      for await (const _ of owner.read({ topic: 't', partition: 0, from: 0, signal: new AbortController().signal }));
    })();
    const waiting = owner.append('t', 0, [{ value: bytes('a') }]);
    await owner[Symbol.asyncDispose]();
    expect(await waiting).toBe(0);
    await reading;
    await expect(owner.append('t', 0, [{ value: bytes('b') }])).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('trims a long prefix over several commits', async () => {
    await using owner = await SqliteLog.open(path, { clock, mode: 'owner' });
    await owner.ensureTopic(topic('t'));
    await owner.append(
      't',
      0,
      Array.from({ length: 1_000 }, (_, i) => ({ value: bytes(`${i}`) })),
    );
    await owner.append('t', 1, [{ value: bytes('neighbour') }]);
    await owner.trim('t', 0, 990);
    expect(texts(await readAll(owner, 't', 0, 990))[0]).toBe('990');
    expect(texts(await readAll(owner, 't', 1))).toEqual(['neighbour']);
    const database = new DatabaseSync(path, { readOnly: true });
    expect({ ...database.prepare('SELECT count(*) AS n FROM record').get() }).toEqual({ n: 11 });
    database.close();
  });

  it('a row that is not what was written is damage, and the others are read', async () => {
    await using log = await SqliteLog.open(path, { clock, mode: 'owner' });
    await log.ensureTopic(topic('t', { genesis: null }));
    await log.append(
      't',
      0,
      ['a', 'b', 'c', 'd', 'e'].map((text) => ({ value: bytes(text) })),
    );
    const spoil = (text: string, offset: number): void =>
      behindItsBack(path, `UPDATE record SET ${text} WHERE id & 137438953471 = ${offset}`);
    spoil("value = 'of another type'", 1);
    spoil("headers = '{no'", 2);
    spoil("headers = '[7]'", 3);
    const found = await readAll(log, 't', 0);
    expect(found.map(({ damage }) => damage === null)).toEqual([true, false, false, false, true]);
    expect(found[1]!.damage).toBe('offset 1: the row is not what was written');
  });

  it('names of columns may have another case, and a table that is none any more is damage, with what helps', async () => {
    {
      await using log = await SqliteLog.open(path, { clock, mode: 'owner' });
      await log.ensureTopic(topic('t', { genesis: null }));
      await log.append('t', 0, [{ value: bytes('a') }]);
    }
    behindItsBack(path, 'ALTER TABLE record RENAME COLUMN value TO vaLue');
    {
      await using log = await SqliteLog.open(path, { clock, mode: 'owner' });
      expect(texts(await readAll(log, 't', 0))).toEqual(['a']);
    }
    behindItsBack(path, 'ALTER TABLE partition RENAME COLUMN start TO stars');
    const opened = SqliteLog.open(path, { clock, mode: 'owner' }).then((log) => log.bounds('t', 0));
    await expect(opened).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringMatching(/move .*log.db/) });
  });

  it('a file that is no database is corrupt, and one of another format is invalid naming both', async () => {
    const wrong = join(root, 'wrong.db');
    await writeFile(wrong, 'this is not a database at all, whatever its name may say '.repeat(100));
    await expect(SqliteLog.open(wrong, { clock, mode: 'owner' })).rejects.toMatchObject({ kind: 'corrupt' });
    const later = join(root, 'later.db');
    behindItsBack(later, 'PRAGMA user_version = 9');
    const refusal = { kind: 'invalid', details: { got: 9, expected: 2 } };
    await expect(SqliteLog.open(later, { clock, mode: 'owner' })).rejects.toMatchObject(refusal);
  });
});
