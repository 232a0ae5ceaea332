import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { SystemClock } from '@tidemark/platform/system-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeHeartbeatStore } from '../testing/heartbeat-store-contract.ts';
import { FileHeartbeatStore } from './file-heartbeat-store.ts';
import { BEAT_KEPT_MS, type Beat } from './heartbeat-store.ts';

function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'tidemark-board-'));
}

describeHeartbeatStore('file', async () => {
  const parent = scratch();
  const site = join(parent, 'paris');
  const path = join(site, 'board.json');
  mkdirSync(site);
  return {
    board: FileHeartbeatStore.at(path, new SystemClock()),
    another: async () => FileHeartbeatStore.at(path, new SystemClock()),
    forget: async () => rmSync(join(site, 'board'), { recursive: true }),
    outage: async () => {
      renameSync(site, `${site}-moved-away`);
      return { [Symbol.asyncDispose]: async () => renameSync(`${site}-moved-away`, site) };
    },
    [Symbol.asyncDispose]: async () => rmSync(parent, { recursive: true }),
  };
});

describe('file board', () => {
  let folder: string;
  let clock: SimClock;
  let board: FileHeartbeatStore;

  beforeEach(() => {
    folder = scratch();
    clock = new SimClock();
    board = FileHeartbeatStore.at(join(folder, 'board.json'), clock);
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const beatOf = (process: string): Beat => ({
    site: 'paris',
    role: 'writer',
    process,
    nonce: 1,
    timeMs: clock.nowMs(),
    facts: {},
  });
  const files = (): string[] => readdirSync(join(folder, 'board'));

  it('a beat that was read before is not taken apart again, and the next one is', async () => {
    await board.beat(beatOf('a'));
    const [first] = await board.beats();
    const [again] = await board.beats();
    expect(again).toBe(first);
    await board.beat({ ...beatOf('a'), nonce: 2 });
    expect(await board.beats()).toMatchObject([{ nonce: 2 }]);
    rmSync(join(folder, 'board'), { recursive: true });
    expect(await board.beats()).toEqual([]);
  });

  it('does not make the folder of a site that was moved away', async () => {
    renameSync(folder, `${folder}-moved`);
    await expect(board.beat(beatOf('a'))).rejects.toThrow(/board file:.*its folder is gone/);
    expect(existsSync(folder)).toBe(false);
    renameSync(`${folder}-moved`, folder);
  });

  it('shows nothing of a file that is torn or is no beat', async () => {
    await board.beat(beatOf('a'));
    writeFileSync(join(folder, 'board', 'writer.torn.json'), '{"site":"par');
    writeFileSync(join(folder, 'board', 'writer.empty.json'), '');
    writeFileSync(join(folder, 'board', 'writer.other.json'), '{"hello":1}');
    expect((await board.beats()).map(({ process }) => process)).toEqual(['a']);
  });

  it('removes what a killed writer left half written, but not what another is writing now', async () => {
    await board.beat(beatOf('a'));
    writeFileSync(join(folder, 'board', `writer.dead.${clock.nowMs()}.tmp`), '{"si');
    await clock.advance(61_000);
    writeFileSync(join(folder, 'board', `writer.busy.${clock.nowMs()}.tmp`), '{"si');
    const busy = `writer.busy.${clock.nowMs()}.tmp`;
    await board.beat(beatOf('a'));
    expect(files().sort()).toEqual(['writer.a.json', busy]);
  });

  it('forgets a process that has not beaten for minutes, and its file', async () => {
    await board.beat(beatOf('gone'));
    await clock.advance(BEAT_KEPT_MS);
    expect((await board.beats()).map(({ process }) => process)).toEqual(['gone']);
    await clock.advance(1);
    expect(await board.beats()).toEqual([]);
    await board.beat(beatOf('here'));
    expect(files()).toEqual(['writer.here.json']);
  });

  it('a process killed with −9 in mid-beat leaves a whole beat, and takes nobody else down', async () => {
    const path = join(folder, 'board.json');
    const reader = FileHeartbeatStore.at(path, new SystemClock());
    const program = `
      import { FileHeartbeatStore } from './file-heartbeat-store.ts';
      import { SystemClock } from '@tidemark/platform/system-clock';
      const board = FileHeartbeatStore.at(process.argv[1], new SystemClock());
      const facts = { padding: 'x'.repeat(20_000) };
      for (let nonce = 1; ; nonce++)
        await board.beat({ site: 'paris', role: 'writer', process: 'same', nonce, timeMs: Date.now(), facts });
    `;
    for (let kills = 0; kills < 5; kills++) {
      const before = (await reader.beats())[0]?.nonce;
      const args = ['--input-type=module', '-e', program, path];
      const writer = spawn(process.execPath, args, {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      while ((await reader.beats())[0]?.nonce === before) await sleep(1);
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      expect((await reader.beats()).map(({ facts }) => facts)).toEqual([{ padding: 'x'.repeat(20_000) }]);
    }
  });
});
