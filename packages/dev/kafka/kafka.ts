/** A real Apache Kafka for one site: KRaft nodes on free loopback ports, each with its data in a folder given to it. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '@tidemark/platform/fault';
import { freePort } from '../free-port.ts';
import type { Reaper } from '../reaper.ts';
import { ServerProcess } from '../server-process.ts';
import { classArchive, javaProgram, kafkaJars } from './kafka-jars.ts';
import { isBrokerReady } from './kafka-ready.ts';

const READY_WAIT_MS = 60_000;
const FORMAT_WAIT_MS = 30_000;

const LOGGING = fileURLToPath(new URL('log4j2.properties', import.meta.url));
const FLAGS = ['-Xmx320m', '-Xms128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** A listener beside the broker's own, for those who reach it another way: what they connect to is what it tells them. */
export type KafkaDoor = { readonly name: string; readonly advertisedPort: number };

type KafkaSettings = {
  readonly folder: string;
  readonly reaper: Reaper;
  readonly doors?: readonly KafkaDoor[];
  /** The broker whose cluster this one joins, once that one runs; it is the controller of both. */
  readonly beside?: KafkaServer;
};

type OpenDoor = KafkaDoor & { readonly port: number };

/** One broker: started, paused, killed and started again on the same ports and folder. */
export class KafkaServer {
  readonly folder: string;
  readonly port: number;
  /** Its number in its cluster: 1 for the controller, then up. */
  readonly node: number;
  readonly #beside: KafkaServer | null;
  readonly #controllerPort: number;
  readonly #doors: readonly OpenDoor[];
  readonly #reaper: Reaper;
  #process: ServerProcess | null = null;
  #recording: string | null = null;

  private constructor(settings: KafkaSettings, port: number, controllerPort: number, doors: readonly OpenDoor[]) {
    this.folder = settings.folder;
    this.port = port;
    this.#beside = settings.beside ?? null;
    this.node = this.#beside === null ? 1 : this.#beside.node + 1;
    this.#controllerPort = controllerPort;
    this.#doors = doors;
    this.#reaper = settings.reaper;
  }

  /** Chooses the ports and starts nothing yet, so that the address can be given out at once. */
  static async prepare(settings: KafkaSettings): Promise<KafkaServer> {
    const doors: OpenDoor[] = [];
    for (const door of settings.doors ?? []) doors.push({ ...door, port: await freePort() });
    const { beside } = settings;
    const controllerPort = beside === undefined ? await freePort() : beside.#controllerPort;
    return new KafkaServer(settings, await freePort(), controllerPort, doors);
  }

  /** `host:port`, the same for the server's whole life. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Where the door of this name listens. */
  doorPort(name: string): number {
    const door = this.#doors.find((one) => one.name === name);
    if (door !== undefined) return door.port;
    throw new Fault('invalid', `the broker in ${this.folder} has no door "${name}"`, { got: name });
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /**
   * Starts it and waits until it leads everything it holds and would take a new topic.
   *
   * @throws {Fault} `unavailable`: Java or the jars cannot be had, or the broker ended; its last output is in the message.
   */
  async start(): Promise<void> {
    const java = javaProgram();
    const classPath = await kafkaJars();
    await mkdir(this.folder, { recursive: true });
    const config = join(this.folder, 'server.properties');
    // Written each time: a folder that is taken up again is given other ports.
    await writeFile(config, this.#properties());
    if (!existsSync(join(this.folder, 'data', 'meta.properties'))) await this.#format(java, classPath, config);
    const args = [
      ...FLAGS,
      ...this.#archiveFlags(java, classPath),
      ...loggingAndPath(classPath),
      'kafka.Kafka',
      config,
    ];
    this.#process = await ServerProcess.start({ ...this.#command(java), name: 'kafka', args });
    await this.#process.waitUntil(() => isBrokerReady(this.port), READY_WAIT_MS);
  }

  /** Starts it again with the same data and ports; one that still runs is stopped first. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    await this.#process?.stop();
    // Java writes the archive while it ends; under its final name it is whole.
    if (this.#recording !== null && existsSync(this.#recording))
      await rename(this.#recording, this.#recording.replace(/\.\w+\.tmp$/, ''));
    this.#recording = null;
  }

  /** kill −9: what the system has not written yet is still written, as it is only the process that dies. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Freezes it: connections stay open and nothing answers; what is sent meanwhile is executed when it wakes. */
  async pause(): Promise<void> {
    await this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  #command(java: string): { program: string; folder: string; reaper: Reaper } {
    return { program: java, folder: this.folder, reaper: this.#reaper };
  }

  async #format(java: string, classPath: string, config: string): Promise<void> {
    const id = (await this.#beside?.clusterId()) ?? randomBytes(16).toString('base64url');
    // With `=`: an id may begin with `-`.
    const what = ['format', `--cluster-id=${id}`, '--config', config];
    const tool = [...loggingAndPath(classPath), 'kafka.tools.StorageTool', ...what];
    const archive = classArchive(java, classPath, FLAGS);
    const shared = archive.exists ? archiveUse(archive.path) : [];
    const format = await ServerProcess.start({
      ...this.#command(java),
      name: 'format',
      args: [...FLAGS, ...shared, ...tool],
    });
    const formatted = join(this.folder, 'data', 'meta.properties');
    await format.waitUntil(async () => !format.isRunning && existsSync(formatted), FORMAT_WAIT_MS);
  }

  /** As its folder has it, where it was started once. */
  async clusterId(): Promise<string> {
    const stored = await readFile(join(this.folder, 'data', 'meta.properties'), 'utf8');
    return /^cluster\.id=(.+)$/m.exec(stored)![1]!;
  }

  // The first broker of this machine that ends in good order leaves the archive for all later ones.
  #archiveFlags(java: string, classPath: string): string[] {
    const archive = classArchive(java, classPath, FLAGS);
    if (archive.exists) return archiveUse(archive.path);
    this.#recording = `${archive.path}.${randomBytes(4).toString('hex')}.tmp`;
    return [`-XX:ArchiveClassesAtExit=${this.#recording}`, '-Xlog:disable'];
  }

  #properties(): string {
    const broker = `PLAINTEXT://127.0.0.1:${this.port}`;
    const controller = `127.0.0.1:${this.#controllerPort}`;
    const isController = this.#beside === null;
    const doors = this.#doors.map(({ name, port, advertisedPort }) => ({
      listener: `,DOOR_${name.toUpperCase()}://127.0.0.1:${port}`,
      advertised: `,DOOR_${name.toUpperCase()}://127.0.0.1:${advertisedPort}`,
      protocol: `,DOOR_${name.toUpperCase()}:PLAINTEXT`,
      threads: `listener.name.door_${name.toLowerCase()}.num.network.threads=1`,
    }));
    const joined = (field: 'listener' | 'advertised' | 'protocol'): string => doors.map((door) => door[field]).join('');
    return [
      `process.roles=broker${isController ? ',controller' : ''}`,
      `node.id=${this.node}`,
      `controller.quorum.voters=1@${controller}`,
      `listeners=${broker}${isController ? `,CONTROLLER://${controller}` : ''}${joined('listener')}`,
      `advertised.listeners=${broker}${joined('advertised')}`,
      ...doors.map((door) => door.threads),
      'controller.listener.names=CONTROLLER',
      'inter.broker.listener.name=PLAINTEXT',
      `listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT${joined('protocol')}`,
      `log.dirs=${join(this.folder, 'data')}`,
      // Without these a broker that was killed waits ten seconds for its own old registration to expire.
      'broker.session.timeout.ms=1000',
      'broker.heartbeat.interval.ms=200',
      'auto.create.topics.enable=false',
      'group.initial.rebalance.delay.ms=0',
      // The cleaner takes this much heap at start, 128 MiB by default, and nothing here is compacted but offsets.
      'log.cleaner.dedupe.buffer.size=4194304',
      ...INTERNAL_TOPICS,
      '',
    ].join('\n');
  }
}

const INTERNAL_TOPICS = [
  'offsets.topic.replication.factor=1',
  'offsets.topic.num.partitions=1',
  'transaction.state.log.replication.factor=1',
  'transaction.state.log.min.isr=1',
  'transaction.state.log.num.partitions=1',
  'share.coordinator.state.topic.replication.factor=1',
  'share.coordinator.state.topic.min.isr=1',
  'share.coordinator.state.topic.num.partitions=1',
];

// Without its warnings: an archive that does not fit is simply not used.
function archiveUse(path: string): string[] {
  return [`-XX:SharedArchiveFile=${path}`, '-Xshare:auto', '-Xlog:disable'];
}

function loggingAndPath(classPath: string): string[] {
  return [`-Dlog4j2.configurationFile=${LOGGING}`, '-cp', classPath];
}

/** A ready broker on free loopback ports. @throws {Fault} `unavailable`: it cannot be had or does not start. */
export async function startKafka(settings: KafkaSettings): Promise<KafkaServer> {
  const server = await KafkaServer.prepare(settings);
  await server.start();
  return server;
}
