/**
 * Every small file of state, as the site itself writes and reads it: with any one byte wrong, cut short or added to, it is
 * read as what was written, or it is named. Nothing else is ever believed, and nothing is passed over in silence.
 */

import { readSummaries, SuffixFile } from '@tidemark/applier/divergent/suffix-file';
import { readCheckpoint, writeCheckpoint } from '@tidemark/applier/keyspace/checkpoint';
import { readNote, writeNote } from '@tidemark/applier/keyspace/rebuild';
import { Scratch } from '@tidemark/applier/keyspace/scratch';
import { Stores } from '@tidemark/applier/keyspace/stores';
import { ToldAsOf } from '@tidemark/applier/keyspace/told-as-of';
import { sampleKeyspace } from '@tidemark/applier/testing/log-maker';
import type { Disk } from '@tidemark/platform/disk';
import { isFault, messageOf } from '@tidemark/platform/fault';
import { type Logger, SILENT } from '@tidemark/platform/logger';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SimDisk, SimPlatter } from '@tidemark/platform/sim/sim-disk';
import { asWritten, readState } from '@tidemark/platform/state-file';
import { TIMING } from '@tidemark/platform/timing';
import { Memory } from '@tidemark/watchdog/detect/memory';
import { readMark, writeMark } from '@tidemark/watchdog/vote/acceptor-mark';
import { writePoint } from '@tidemark/writer/appending/opening';
import { describe, expect, it } from 'vitest';
import { takeDataFolder } from '../config/identity.ts';
import { Endings } from '../out-of-duty.ts';

const clock = new SimClock();
const keyspace = sampleKeyspace();
const IDENTITY = { cluster: 'c', site: 'paris' };
const at = { epoch: 3, seq: 41 };
const BARRIER = { origin: 'paris', at, stamp: { ms: 1_699_000_000_000, counter: 2 }, heads: [41, 7] };
const heard = {
  control: { acceptor: 'a~1', end: 70 },
  copies: [{ keyspace: 'ks', origin: 'paris', logId: 'l1', ends: [at] }],
};

/** How a file is written, and what a site that starts makes of it. */
type Kind = {
  readonly path: string;
  readonly write: (disk: Disk) => Promise<unknown>;
  readonly read: (disk: Disk, logger: Logger) => Promise<unknown>;
};

async function remembered(disk: Disk, logger: Logger): Promise<unknown> {
  const memory = new Memory({ disk, clock, logger });
  await memory.run(AbortSignal.abort());
  // A process that begins now: what is known of those before it.
  memory.hear('tokyo', 'next', heard);
  return memory.before('tokyo');
}

async function writeMemory(disk: Disk): Promise<void> {
  const stop = new AbortController();
  const once: Disk = new Proxy(disk, {
    get: (target, name) => {
      // It has been written once.
      if (name === 'rename') queueMicrotask(() => stop.abort());
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const running = new Memory({
    disk: once,
    clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: async () => {} },
    logger: SILENT,
  });
  running.hear('tokyo', 'first', heard);
  await running.run(stop.signal);
}

const point = (stampMs: number) => ({ stampMs, keyspace, sources: [] as never, tails: [null, null] });
const timed = (logger: Logger) => ({ timing: TIMING, logger });

const KINDS: readonly Kind[] = [
  { path: 'checkpoints/memory.json', write: writeMemory, read: remembered },
  {
    path: 'checkpoints/acceptor.json',
    write: (disk) => writeMark(disk, { acceptor: 'a~1', end: 70 }),
    read: readMark,
  },
  {
    path: 'site.json',
    write: async (disk) => {
      await using folder = await takeDataFolder(disk, 'here', IDENTITY, SILENT);
      await folder.name();
    },
    read: async (disk, logger) => {
      await using folder = await takeDataFolder(disk, 'here', IDENTITY, logger);
      return folder.isNew;
    },
  },
  {
    path: 'ended.json',
    write: (disk) => new Endings(disk, clock, SILENT).note(new Error('the same')),
    read: async (disk, logger) => {
      const endings = new Endings(disk, clock, logger);
      for (let turn = 0; turn < 2; turn++) await endings.note(new Error('the same'));
      return endings.takeRepeated();
    },
  },
  {
    path: 'checkpoints/applier/ks.json',
    write: (disk) =>
      writeCheckpoint(disk, { keyspace, schemaAt: null, places: [], epochEnds: [[], []], tails: ['paris'] }),
    read: (disk, logger) => readCheckpoint(disk, 'c', 'ks', logger),
  },
  {
    path: 'checkpoints/applier/ks.rebuild.json',
    write: (disk) =>
      writeNote(disk, 'ks', { discarding: false, floor: { positions: [{ paris: at }], asOf: { ms: 5, counter: 1 } } }),
    read: (disk) => readNote(disk, 'ks'),
  },
  {
    path: 'checkpoints/applier/ks.told.json',
    write: async (disk) => {
      await using told = await ToldAsOf.open({ disk, clock, logger: SILENT }, 'ks');
      await told.tell(BARRIER);
    },
    read: async (disk, logger) => {
      await using told = await ToldAsOf.open({ disk, clock, logger }, 'ks');
      return [told.latest, told.barrier];
    },
  },
  {
    path: 'checkpoints/applier/ks.scratch.json',
    write: (disk) =>
      scratched(disk, SILENT, async (scratch) => void (await scratch.prepare(keyspace.tables[0]!, 's', false))),
    read: (disk, logger) => scratched(disk, logger, (scratch) => Promise.resolve(scratch.names)),
  },
  {
    path: 'checkpoints/writer/ks.json',
    write: (disk) => writePoint({ disk, ...timed(SILENT) }, point(1_000)),
    read: async (disk, logger) => {
      await writePoint({ disk, ...timed(logger) }, point(2_000));
      return readState(disk, 'checkpoints/writer/ks.json', asWritten());
    },
  },
  {
    path: 'tails/ks/paris-3.json',
    write: async (disk) => {
      const file = await SuffixFile.create(disk, { keyspace: 'ks', origin: 'paris', epoch: 3 }, false);
      await file.addLine('{"k":"a"}\n');
      await file.finish('exported', SILENT);
    },
    read: (disk, logger) => readSummaries(disk, 'ks', logger),
  },
];

async function scratched<T>(disk: Disk, logger: Logger, use: (scratch: Scratch) => Promise<T>): Promise<T> {
  const stores = await Stores.open(disk, keyspace, null);
  await using scratch = await Scratch.open(disk, stores, logger);
  const value = await use(scratch);
  await stores.close();
  return value;
}

/** All files, by path, to begin each trial with. */
async function filesOf(disk: SimDisk, folder = '.'): Promise<[path: string, bytes: Buffer][]> {
  const files: [string, Buffer][] = [];
  for (const name of await disk.list(folder)) {
    const path = folder === '.' ? name : `${folder}/${name}`;
    if (disk.platter.folders.has(path)) files.push(...(await filesOf(disk, path)));
    else files.push([path, Buffer.from(await disk.read(path))]);
  }
  return files;
}

async function diskWith(
  folders: Iterable<string>,
  files: readonly (readonly [path: string, bytes: Buffer])[],
): Promise<SimDisk> {
  const disk = new SimDisk(new SimPlatter());
  for (const folder of folders) await disk.makeFolder(folder);
  for (const [path, bytes] of files) {
    const file = await disk.create(path);
    await file.append(bytes);
    await file.close();
  }
  return disk;
}

/** Each byte with a bit of its case, of its digit and its highest one wrong; cut before it; and one more at the end. */
function* wrongs(bytes: Buffer): Generator<Buffer> {
  for (let place = 0; place < bytes.length; place++) {
    for (const mask of [0x01, 0x20, 0x80]) {
      const wrong = Buffer.from(bytes);
      wrong[place]! ^= mask;
      yield wrong;
    }
    yield bytes.subarray(0, place);
  }
  yield Buffer.concat([bytes, Buffer.from(' ')]);
}

describe('a file of state', () => {
  it.each(KINDS)('$path is read as it was written, or named', async ({ path, write, read }) => {
    const made = new SimDisk(new SimPlatter());
    await write(made);
    const files = await filesOf(made);
    const folders = [...made.platter.folders.keys()];
    const whole = files.find(([one]) => one === path)![1];
    const expected = JSON.stringify(await read(await diskWith(folders, files), SILENT));
    const none = JSON.stringify(
      await read(
        await diskWith(
          folders,
          files.filter(([one]) => one !== path),
        ),
        SILENT,
      ),
    );
    // Else it would not be seen here whether the file counts.
    expect(expected).not.toBe(none);
    for (const wrong of wrongs(whole)) {
      const disk = await diskWith(
        folders,
        files.map(([one, bytes]) => [one, one === path ? wrong : bytes]),
      );
      const said: string[] = [];
      const logger: Logger = { ...SILENT, error: (_fields, message) => said.push(message) };
      const value = await read(disk, logger).catch((error: unknown) => {
        if (!isFault(error, 'corrupt')) throw error;
        said.push(messageOf(error));
      });
      // What is named may be taken for none, never for something else that was not said to be wrong.
      if (said.length === 0) expect(JSON.stringify(value)).toBe(expected);
      else expect(said.join()).toContain(`${path}`);
      expect([wrong.toString('latin1'), said.length]).toEqual([wrong.toString('latin1'), 1]);
    }
  });
});
