/** What the store is measured against. Nobody installs it who does not ask for it: the first run does. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const FOLDER = new URL('../peers/', import.meta.url);

/** A connection to DuckDB, as far as it is used here. */
export type DuckConnection = {
  run(sql: string): Promise<unknown>;
  runAndReadAll(sql: string): Promise<{ getRows(): unknown[][] }>;
  closeSync(): void;
};
type DuckModule = {
  readonly DuckDBInstance: {
    create(
      path: string,
      config?: Readonly<Record<string, string>>,
    ): Promise<{ connect(): Promise<DuckConnection>; closeSync(): void }>;
  };
};

/** ClickHouse within this process. */
export type ClickHouse = { query(sql: string, format?: string): string; cleanup(): void };

/** An LMDB environment with binary keys and values. */
export type Lmdb = {
  put(key: Buffer, value: Buffer): Promise<boolean>;
  getBinary(key: Buffer): Buffer | undefined;
  close(): Promise<void>;
};

export type Peers = {
  readonly duckdb: DuckModule;
  readonly chdb: { readonly Session: new (path: string) => ClickHouse };
  readonly lmdb: { open(options: object): Lmdb };
};

/**
 * Loads the peers, after installing them where they are not there yet: 630 MB from the npm registry, and no script of
 * theirs is run.
 */
export function loadPeers(): Peers {
  const require = installed();
  return { duckdb: require('@duckdb/node-api'), chdb: require('chdb'), lmdb: require('lmdb') };
}

/** LMDB alone. Installs as `loadPeers`. */
export function loadLmdb(): Peers['lmdb'] {
  return installed()('lmdb');
}

/** The driver of Cassandra. Installs as `loadPeers`. */
export function loadCassandraDriver(): { readonly Client: new (options: object) => unknown } {
  return installed()('cassandra-driver');
}

function installed(): NodeJS.Require {
  const isThere = (name: string): boolean => existsSync(new URL(`node_modules/${name}/package.json`, FOLDER));
  if (!isThere('lmdb') || !isThere('cassandra-driver')) install();
  return createRequire(new URL('package.json', FOLDER));
}

/** Without a lock file: chdb names libraries for platforms that a registry may lack, and `npm ci` then refuses any. */
function install(): void {
  process.stderr.write('installing the peers (630 MB) into test/bench/peers …\n');
  const words = ['install', '--package-lock=false', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status } = spawnSync('npm', words, { cwd: fileURLToPath(FOLDER), stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`npm ${words.join(' ')} in test/bench/peers ended with ${status}`);
}
