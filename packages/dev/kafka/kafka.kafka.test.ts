import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Reaper } from '../reaper.ts';
import { type KafkaServer, startKafka } from './kafka.ts';
import { isBrokerReady } from './kafka-ready.ts';

const BOOT_MS = 90_000;

describe('kafka on this machine', () => {
  const reaper = Reaper.start();
  let server: KafkaServer;

  beforeAll(async () => {
    server = await startKafka({ folder: await reaper.scratchFolder('kafka-test'), reaper });
  }, BOOT_MS);

  afterAll(() => reaper[Symbol.asyncDispose]());

  /** Runs `use` with an admin client that makes one attempt at everything: ready means ready. */
  async function topics(make?: string): Promise<string[]> {
    const kafka = new Kafka({ brokers: [server.address], logLevel: logLevel.NOTHING, retry: { retries: 0 } });
    const admin = kafka.admin();
    await admin.connect();
    try {
      if (make !== undefined) await admin.createTopics({ topics: [{ topic: make }], waitForLeaders: false });
      return await admin.listTopics();
    } finally {
      await admin.disconnect();
    }
  }

  it('once started takes a topic at the first attempt', async () => {
    expect(await topics('kept')).toEqual(['kept']);
  });

  it('after kill −9 and a restart has its data and its address', async () => {
    const { address } = server;
    await server.kill();
    expect(await isBrokerReady(server.port)).toBe(false);
    await server.restart();
    expect(server.address).toBe(address);
    expect(await topics()).toEqual(['kept']);
  });

  it('after a stop and a restart has its data', async () => {
    await server.stop();
    await server.start();
    expect(await topics()).toEqual(['kept']);
  });

  it('taken up again by another process, on other ports, has its data', async () => {
    await server.stop();
    const before = server.address;
    server = await startKafka({ folder: server.folder, reaper });
    expect(server.address).not.toBe(before);
    expect(await topics()).toEqual(['kept']);
  });

  it('while paused answers nothing, and afterwards goes on', async () => {
    await server.pause();
    expect(await isBrokerReady(server.port)).toBe(false);
    server.resume();
    while (!(await isBrokerReady(server.port))) await sleep(50);
    expect(await topics()).toEqual(['kept']);
  });

  it('a broker that cannot start says why', async () => {
    const folder = await reaper.scratchFolder('kafka-test');
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data', 'meta.properties'), 'version=none\n');
    const start = startKafka({ folder, reaper });
    await expect(start).rejects.toThrow(
      /kafka in .*kafka\.log ended before it was ready \(exit 1\): .*meta\.properties/s,
    );
  });
});

describe('a process that started a broker and is killed with −9', () => {
  it(
    'leaves neither the broker nor its folder behind',
    async () => {
      const program = `
      import { startKafka } from './kafka.ts';
      import { Reaper } from '../reaper.ts';
      const reaper = Reaper.start();
      const folder = await reaper.scratchFolder('kafka-test');
      const { pid } = await startKafka({ folder, reaper });
      console.log(JSON.stringify({ folder, pid }));
      setInterval(() => {}, 1_000);
    `;
      const args = ['--input-type=module', '-e', program];
      const owner = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
      let held: { folder: string; pid: number } | null = null;
      for await (const line of createInterface({ input: owner.stdout })) {
        held = JSON.parse(line) as { folder: string; pid: number };
        break;
      }
      const { folder, pid } = held!;
      expect(isRunning(pid)).toBe(true);
      expect(existsSync(folder)).toBe(true);
      owner.kill('SIGKILL');
      while (isRunning(pid) || existsSync(folder)) await sleep(20);
    },
    BOOT_MS,
  );
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
