/** The stage that trials are held on: three sites on real Kafka and Redis, with links between them that can be cut. */

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Stage } from '@tidemark/cli/drill/stage';
import { FLIGHTS_TABLE } from '@tidemark/cli/load/flights';
import { PROGRAM } from '@tidemark/cli/program';
import type { Reaper } from '@tidemark/dev/reaper';
import type { Engine } from '@tidemark/dev/sites';
import type { Random } from '@tidemark/platform/random';
import type { FaultRow, Figures } from './fault-row.ts';
import { PROBES } from './tied-client.ts';
import { environmentOf } from './weakenings.ts';

/** One trial follows the other, so that the usual hour between two automatic failovers is too long here. */
export const ENV = { TIDEMARK_FAILOVER_EVERY_MS_MIN: '0' };

const THREE = { paris: 'data', tokyo: 'data', quito: 'data' } as const;
const LINES = 8;
const STUCK = 'stuck';

export type FaultStageOptions = {
  readonly say: (line: string) => void;
  /** Weakenings of production that every site runs with, by name; null: as it is. */
  readonly mutant?: string | null;
  /** As the row has it that is to be held. */
  readonly sites?: FaultRow['sites'];
  readonly engine?: Engine;
};

export class FaultStage {
  readonly #stage: Stage;
  readonly #folder: string;
  readonly #say: (line: string) => void;
  readonly #sites: FaultRow['sites'];
  readonly #engine: Engine;
  readonly #keyspaces = new Map<string, Stage>();

  private constructor(
    stage: Stage,
    folder: string,
    say: (line: string) => void,
    sites: FaultRow['sites'],
    engine: Engine,
  ) {
    this.#stage = stage;
    this.#folder = folder;
    this.#say = say;
    this.#sites = sites;
    this.#engine = engine;
    this.#keyspaces.set(stage.keyspace, stage);
  }

  /** A stage on which the row can be held. */
  static async open(
    reaper: Reaper,
    { say, mutant = null, sites = THREE, engine = 'kafka' }: FaultStageOptions,
  ): Promise<FaultStage> {
    const folder = await reaper.scratchFolder('faults');
    const stuck = { FAULT_FILE: join(folder, STUCK) };
    const env = mutant === null ? ENV : { ...ENV, ...stuck, ...environmentOf(mutant) };
    const keyspace = { sites, partitions: 4, tables: { flights: FLIGHTS_TABLE, probes: PROBES } };
    const stage = await Stage.open({
      program: PROGRAM,
      engine,
      folder,
      reaper,
      say,
      links: engine === 'kafka',
      env,
      keyspace,
    });
    return new FaultStage(stage, folder, say, sites, engine);
  }

  /** True when the row can be held on it. */
  fits({ sites = THREE }: FaultRow, engine: Engine = 'kafka'): boolean {
    return sites === this.#sites && engine === this.#engine;
  }

  /**
   * Holds one trial.
   * @throws {BrokenPromise} what did not hold; anything else: the trial could not be held
   */
  async run(row: FaultRow, size: number, random: Random): Promise<Figures> {
    const stage = await this.#stageOf(row);
    // One ledger for each keyspace: what an earlier trial wrote there is not from nowhere.
    const folder = join(this.#folder, `ledger-${stage.keyspace}`);
    await mkdir(folder, { recursive: true });
    try {
      return await row.run({ stage, folder, size, random, say: this.#say, stuckFile: join(this.#folder, STUCK) });
    } finally {
      stage.links?.heal();
    }
  }

  async #stageOf({ keyspace }: FaultRow): Promise<Stage> {
    const name = (keyspace?.keyspace as string | undefined) ?? this.#stage.keyspace;
    const known = this.#keyspaces.get(name);
    if (known !== undefined) return known;
    const made = await this.#stage.with({ ...keyspace, keyspace: name });
    this.#keyspaces.set(name, made);
    return made;
  }

  /** What each site said last, and whether it runs: for when a trial went wrong. */
  async lastKnown(): Promise<string> {
    const words = this.#stage.sites.map(async (site) => {
      const text = await readFile(join(site.folder, 'site.log'), 'utf8').catch(() => '');
      const lines = text.trimEnd().split('\n').slice(-LINES);
      return [
        `${site.name}${site.isRunning ? '' : ' DOES NOT RUN'}:`,
        ...lines.map((line) => `  ${line.slice(0, 400)}`),
      ];
    });
    return (await Promise.all(words)).flat().join('\n');
  }

  async stop(): Promise<void> {
    await this.#stage[Symbol.asyncDispose]();
  }
}
