/** One site of a simulated cluster: what its disks hold, and the process that runs on them, if one does. */

import { SimHeartbeatStore, SimHeartbeats } from '@tidemark/control/testing/sim-heartbeat-store';
import { SimLog, SimLogStore, type StoreCopy } from '@tidemark/log/sim/sim-log';
import { topicNames } from '@tidemark/model/table';
import { messageOf } from '@tidemark/platform/fault';
import type { Logger } from '@tidemark/platform/logger';
import { SeededRandom } from '@tidemark/platform/random';
import { type PlatterCopy, type SimAnswer, SimDisk, SimPlatter, type SimStep } from '@tidemark/platform/sim/sim-disk';
import { TIMING, type Timing } from '@tidemark/platform/timing';
import { readConfig } from '@tidemark/site/config/config';
import { openSite } from '@tidemark/site/site';
import type { SiteWorld } from '@tidemark/site/site-ports';
import type { Shape } from '../shape.ts';
import { SimNetwork } from './exchange.ts';
import { SimProcess } from './process.ts';
import { ProcessClock, ProcessDisk, ProcessHeartbeatStore, ProcessLog, START_MS, type Way } from './process-ports.ts';
import type { Surroundings } from './surroundings.ts';

/** A process that ended itself is started again after this long, as any supervisor does. */
const RESTART_MS = 1_000;

/** Half as often as in production: most of what happens in a run would be signs of life. */
const PROBE_EVERY_MS = 500;

/** Where deletes are forgotten, or times are short, files are written often, so that there is something to merge. */
const FLUSH_FILES_MS = 500;

/** Short times: several of each in a run. A client gives a request up before the window of requests is over. */
const BRIEF: Timing = { ...TIMING, writerCheckpointMs: 400, requestWindowMs: 20_000 };

/** Appends to some topics take longer, until they land or until they are answered. */
export type Slowness = {
  readonly landed: boolean;
  readonly isOf: (topic: string) => boolean;
  readonly ms: () => number;
};
/** How often what is not flushed with each append is: as the pages of an operating system are. */
const FLUSH_EVERY_MS = 1_500;

/** Where a second process of a site keeps its files: in the folder of the first, or in an empty one of its own. */
export type TwinFolder = 'same' | 'own';

/** What a backup of a site holds. */
export type SiteCopy = { readonly folder: PlatterCopy; readonly log: StoreCopy };
/** What of a site is an older copy: its data folder, all of its log, both, or the control topic alone. */
export type Restored = 'folder' | 'log' | 'both' | 'votes';

export class SimSite {
  readonly name: string;
  readonly store: SimLogStore;
  readonly board = new SimHeartbeats();
  readonly platter = new SimPlatter();
  process: SimProcess | null = null;
  /** By how much the site's wall clock is wrong at a moment. */
  wrongMs: (nowMs: number) => number = () => 0;
  /** Whether it is wrong, be it only now and then. */
  isClockWrong = false;
  /** How long an append takes when nothing is wrong with it, in ms. */
  appendMs: () => number = () => 0;
  /** What makes appends slow now. */
  readonly slowness = new Set<Slowness>();
  /** What the next disk steps answer. */
  diskFate: (kind: SimStep['kind']) => SimAnswer = () => 'ok';
  /** True while the site is kept down, by a fault that will bring it back itself. */
  isHeldDown = false;
  /** Counts how often its folder became another one: wiped, or an older copy. */
  disks = 0;
  /** Why processes of this site ended themselves. */
  readonly ends: string[] = [];
  #disk: SimDisk | null = null;
  #starts = 0;
  readonly #world: Surroundings;

  constructor(world: Surroundings, name: string) {
    this.#world = world;
    this.name = name;
    const { scheduler } = world;
    // The log's own machines keep the true time.
    this.store = new SimLogStore({
      nowMs: () => START_MS + Math.floor(scheduler.nowMs),
      monotonicMs: () => scheduler.nowMs,
      sleep: (ms) => scheduler.sleep(ms),
    });
    this.store.appendMs = (topic) => this.appendMs() + this.#slowMs(topic, false);
    this.store.answerMs = (topic) => this.#slowMs(topic, true);
    this.#flush();
  }

  #flush(): void {
    this.store.flush();
    this.#world.scheduler.after(FLUSH_EVERY_MS, () => this.#flush());
  }

  #slowMs(topic: string, landed: boolean): number {
    let slowMs = 0;
    for (const one of this.slowness) if (one.landed === landed && one.isOf(topic)) slowMs += one.ms();
    return slowMs;
  }

  get isUp(): boolean {
    return this.process !== null && !this.process.isDead;
  }

  /** Starts a process on what the site holds. */
  start(): void {
    if (this.isUp) return;
    const process = new SimProcess(this.name);
    this.process = process;
    const disk = new SimDisk(this.platter);
    this.#disk = disk;
    disk.hook = ({ kind }) => this.diskFate(kind);
    this.#world.trace.note(this.name, 'starts');
    const end = (error: unknown): void => this.#endItself(process, error);
    openSite(configOf(this.#world.siteNames, this.name, this.#world.shape), this.#worldOf(process, disk), end).then(
      () => this.#world.trace.note(this.name, 'listens'),
      end,
    );
  }

  /** Starts a second process of the site over the same log, beside one that lives. @returns what ends it */
  startTwin(folder: TwinFolder): () => void {
    if (!this.isUp) return () => {};
    const process = new SimProcess(this.name);
    const disk = new SimDisk(folder === 'same' ? this.platter : new SimPlatter());
    const end = (why: string): void => {
      if (process.isDead) return;
      this.#world.trace.note(this.name, `its twin ends: ${why}`);
      process.kill();
      disk.crash();
    };
    const { siteNames, shape } = this.#world;
    const config = configOf(siteNames, this.name, shape, folder === 'same' ? '' : '-twin');
    // Who asks for the site reaches the first: the second has an address of its own.
    const world = { ...this.#worldOf(process, disk), serve: serveNobody };
    openSite(config, world, (error) => {
      if (isAssertion(error)) this.#world.fail('assertion', `the twin of ${this.name}: ${messageOf(error)}`);
      end(messageOf(error));
    }).catch((error: unknown) => end(messageOf(error)));
    return () => end('it is stopped');
  }

  #endItself(process: SimProcess, error: unknown): void {
    if (process.isDead) return;
    const reason = messageOf(error);
    this.#world.trace.note(this.name, `ends itself: ${reason}`);
    this.ends.push(reason);
    if (isAssertion(error)) this.#world.fail('assertion', `${this.name}: ${reason}`);
    this.kill();
    this.#world.scheduler.after(RESTART_MS, () => {
      if (!this.isHeldDown) this.start();
    });
  }

  /** kill −9; with `power` the machines of the site go down too, and what was not synced may be lost. */
  kill(power = false): void {
    this.process?.kill();
    this.#disk?.crash();
    if (!power) return;
    this.store.losePower();
    this.platter.losePower(new SeededRandom(this.#world.random.seedOf(`power ${this.name} ${this.#starts}`)));
  }

  /** Killed, and everything the site ever wrote is gone: its log with the control topic, its column files, its heartbeat store. */
  wipe(): void {
    this.kill();
    this.disks++;
    this.store.wipe();
    this.platter.wipe();
    this.board.forget();
  }

  /** What the site's disks hold now, as a backup takes it. */
  copy(): SiteCopy {
    return { folder: this.platter.copy(), log: this.store.copy() };
  }

  /** Killed, and what it had is replaced by an older copy of it. */
  restore({ folder, log }: SiteCopy, of: Restored): void {
    this.kill();
    if (of === 'folder' || of === 'both') {
      this.disks++;
      this.platter.restore(folder);
    }
    if (of === 'log' || of === 'both') this.store.restore(log);
    if (of === 'votes') this.store.restore(log, (topic) => topic === topicNames.control);
  }

  #worldOf(process: SimProcess, disk: SimDisk): SiteWorld {
    const { scheduler, links, exchange, random, trace } = this.#world;
    const way = (to: string): Way => ({ process, links, from: this.name, to });
    const note =
      (level: string) =>
      (fields: object, message: string): void => {
        if (process.isDead) return;
        trace.note(this.name, `${level}: ${message}`);
        this.#world.onLog(this.name, fields);
      };
    const logger: Logger = { info: note('info'), warn: note('warn'), error: note('error') };
    return {
      clock: new ProcessClock(process, scheduler, () => this.wrongMs(scheduler.nowMs)),
      random: new SeededRandom(random.seedOf(`process ${this.name} ${++this.#starts}`)),
      timing: this.#world.shape.isBrief ? BRIEF : TIMING,
      host: this.name,
      logger,
      logDropped: () => 0,
      disk: new ProcessDisk(process, disk),
      compactionExecutor: null,
      network: new SimNetwork(exchange, process, this.name),
      openLog: async (to) => new ProcessLog(way(to), new SimLog(this.#world.site(to).store, to)),
      openHeartbeatStore: async (to) =>
        new ProcessHeartbeatStore(way(to), new SimHeartbeatStore(this.#world.site(to).board)),
      serve: async (app) => {
        await app.ready();
        exchange.serve(this.name, { process, app });
        return { url: `http://${this.name}`, peerUrl: `http://${this.name}` };
      },
    };
  }
}

const serveNobody: SiteWorld['serve'] = async (app) => {
  await app.ready();
  return { url: 'http://twin', peerUrl: 'http://twin' };
};

function configOf(sites: readonly string[], site: string, { forgetsAfterMs, isBrief }: Shape, folder = '') {
  const addresses = sites.map((name) => [
    name,
    { log: `sqlite:/sim/${name}/log.db`, board: `file:/sim/${name}/board.json`, url: `http://${name}` },
  ]);
  const settings = {
    site,
    listen: '127.0.0.1:0',
    data: `/sim/${site}${folder}`,
    sites: Object.fromEntries(addresses),
    probeEveryMs: PROBE_EVERY_MS,
    ...(forgetsAfterMs === null ? {} : { deletionsKeptMs: forgetsAfterMs }),
    ...(forgetsAfterMs === null && !isBrief ? {} : { flushEveryMs: FLUSH_FILES_MS }),
  };
  return readConfig({ file: { path: '/sim/tidemark.json', text: JSON.stringify(settings) } });
}

function isAssertion(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null)?.code === 'ERR_ASSERTION';
}
