/** A real redis-server for one site: nothing kept on disk, loopback only, so losing it loses everything it knew. */

import { once } from 'node:events';
import { chmod, mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Fault } from '@tidemark/platform/fault';
import { freePort } from '../free-port.ts';
import { isWithinReach, type MavenSet, mavenFolder } from '../maven/maven.ts';
import { findProgram } from '../programs.ts';
import type { Reaper } from '../reaper.ts';
import { ServerProcess } from '../server-process.ts';

const READY_WAIT_MS = 10_000;
const PING_WAIT_MS = 500;

const EMBEDDED: MavenSet = {
  pom: 'redis.pom.xml',
  goal: 'dependency:unpack-dependencies',
  options: ['-DincludeArtifactIds=embedded-redis', '-Dmdep.unpack.includes=redis-server*'],
};

const EMBEDDED_PROGRAMS: Readonly<Record<string, string>> = {
  'linux-x64': 'redis-server-6.2.6-v5-linux-amd64',
  'linux-arm64': 'redis-server-6.2.7-linux-arm64',
  'darwin-x64': 'redis-server-6.2.6-v5-darwin-amd64',
  'darwin-arm64': 'redis-server-6.2.6-v5-darwin-arm64',
};

/** What keeps this machine from starting Redis, in words for a person; null when nothing does. */
export function redisObstacle(): string | null {
  if (findProgram('redis-server') !== null) return null;
  const machine = `${process.platform}-${process.arch}`;
  if (EMBEDDED_PROGRAMS[machine] === undefined)
    return `redis-server is not on the PATH, and no build for ${machine} is known`;
  return isWithinReach(EMBEDDED)
    ? null
    : 'redis-server is not on the PATH, and Maven, which could fetch it, is missing';
}

/**
 * Path of a redis-server: the one on the PATH, else one fetched by Maven.
 *
 * @throws {Fault} `unavailable`: neither can be had.
 */
async function redisProgram(): Promise<string> {
  const installed = findProgram('redis-server');
  if (installed !== null) return installed;
  const obstacle = redisObstacle();
  if (obstacle !== null) throw new Fault('unavailable', `${obstacle}: install redis-server or Maven`);
  const program = join(await mavenFolder(EMBEDDED), EMBEDDED_PROGRAMS[`${process.platform}-${process.arch}`]!);
  await chmod(program, 0o755);
  return program;
}

type RedisSettings = { readonly folder: string; readonly reaper: Reaper };

/** One redis-server: started, paused, killed and started again, empty, on the same port. */
export class RedisServer {
  readonly folder: string;
  readonly port: number;
  readonly #reaper: Reaper;
  #process: ServerProcess | null = null;

  private constructor(settings: RedisSettings, port: number) {
    this.folder = settings.folder;
    this.port = port;
    this.#reaper = settings.reaper;
  }

  /** Chooses the port and starts nothing yet, so that the address can be given out at once. */
  static async prepare(settings: RedisSettings): Promise<RedisServer> {
    return new RedisServer(settings, await freePort());
  }

  get address(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts it and waits for its first PONG. @throws {Fault} `unavailable`, with the server's last output. */
  async start(): Promise<void> {
    const program = await redisProgram();
    await mkdir(this.folder, { recursive: true });
    const args = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    this.#process = await ServerProcess.start({
      name: 'redis',
      program,
      args: [...args, '--dir', this.folder],
      folder: this.folder,
      reaper: this.#reaper,
    });
    await this.#process.waitUntil(() => answersPing(this.port), READY_WAIT_MS);
  }

  /** Starts it again, empty, at the same address; one that still runs is stopped first. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** kill −9. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Freezes it; what clients send meanwhile is executed when it wakes. */
  async pause(): Promise<void> {
    await this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }
}

/** A ready redis-server on a free loopback port. @throws {Fault} `unavailable`: it cannot be had or does not start. */
export async function startRedis(settings: RedisSettings): Promise<RedisServer> {
  const server = await RedisServer.prepare(settings);
  await server.start();
  return server;
}

async function answersPing(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(PING_WAIT_MS) });
    return String(answer).startsWith('+PONG');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
