/** Every setting a site has: its shape, unit, default and meaning, a line for each. */

import { isName } from '@tidemark/model/keyspace-file';
import { z } from 'zod';
import {
  BOARD_EXPECTED,
  LISTEN_EXPECTED,
  LOG_EXPECTED,
  parseHeartbeatStoreAddress,
  parseListenAddress,
  parseLogAddress,
  parseSiteUrl,
  URL_EXPECTED,
} from './address.ts';
import { MEMORY_EXPECTED, parseMemory } from './memory-plan.ts';

/** The services a site is made of; any set of them runs in one process. */
const ROLES = ['writer', 'mirror', 'applier', 'watchdog'] as const;
/** A service that a process of a site may run. */
export type Role = (typeof ROLES)[number];

/** Under which a process stands on the heartbeat store: `site` when it is all of one. */
export function nameOfRoles(roles: readonly Role[]): string {
  return ROLES.every((role) => roles.includes(role)) ? 'site' : [...new Set(roles)].sort().join('-');
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const name = z.string().refine(isName, { error: 'a name: letters, digits, _ and -, at most 64' });

/** A text that `parse` understands. */
function parsed<T>(parse: (text: string) => T | null, expected: string) {
  return z.string().transform((text, context) => {
    const value = parse(text);
    if (value === null) context.addIssue({ code: 'custom', message: expected });
    return value as T;
  });
}

const whole = (min: number, max: number) => z.int().min(min).max(max);

const siteSchema = z.strictObject({
  log: parsed(parseLogAddress, LOG_EXPECTED),
  board: parsed(parseHeartbeatStoreAddress, BOARD_EXPECTED),
  url: parsed(parseSiteUrl, URL_EXPECTED).nullable().default(null),
  peerUrl: parsed(parseSiteUrl, URL_EXPECTED).nullable().default(null),
});

/** How a setting is written as one text, in the environment or a flag. */
type Kind = 'text' | 'integer' | 'list' | 'json';
type Setting<S extends z.ZodType> = {
  readonly schema: S;
  readonly kind: Kind;
  /** Undefined: it has to be given, or follows from others (`data`, `sites`). */
  readonly fallback?: unknown;
  readonly meaning: string;
};

function setting<S extends z.ZodType>(schema: S, kind: Kind, meaning: string, fallback?: unknown): Setting<S> {
  return { schema, kind, meaning, fallback };
}

/** Settings by name, in the order in which they are printed. */
export const SETTINGS = {
  cluster: setting(name, 'text', 'name all sites share; records of another cluster are refused', 'tidemark'),
  site: setting(name, 'text', 'which of the sites this process is'),
  listen: setting(parsed(parseListenAddress, LISTEN_EXPECTED), 'text', 'address of its HTTP', '127.0.0.1:7410'),
  peerListen: setting(
    parsed(parseListenAddress, LISTEN_EXPECTED),
    'text',
    'address at which other sites ask it, never behind clients; by default any free port at the host of listen',
  ),
  trustedNetwork: setting(
    z.boolean(),
    'json',
    'true: whoever reaches this site may use it, so it may listen beyond loopback',
    false,
  ),
  hosts: setting(
    z.array(z.string().min(1).max(255)).max(64),
    'list',
    'names it is reached by beside its own, the one of its URL, localhost and addresses',
    [],
  ),
  data: setting(z.string().min(1), 'text', 'folder of its files; by default .tidemark/<site>'),
  roles: setting(z.array(z.enum(ROLES)).min(1), 'list', 'services to run in this process', [...ROLES]),
  sites: setting(
    z.record(name, siteSchema),
    'json',
    'each site: its log, its board, the URL of its HTTP, and the one at which other sites ask it',
  ),
  logLevel: setting(z.enum(LOG_LEVELS), 'text', 'least severe line written to standard error', 'info'),
  memory: setting(
    parsed(parseMemory, MEMORY_EXPECTED).nullable(),
    'text',
    'memory the process may take, divided among all that holds some ("512MB"); without it each part has a bound of its own',
    null,
  ),
  memtableBytesMax: setting(
    whole(MIB, 16 * GIB),
    'integer',
    'rows kept in memory before they are written, of all keyspaces',
    64 * MIB,
  ),
  flushEveryMs: setting(whole(100, 3_600_000), 'integer', 'rows are written to files at least this often', 10_000),
  deletionsKeptMs: setting(
    whole(0, 3_600_000_000_000),
    'integer',
    'how old a deletion becomes before it may be forgotten, once every site has it',
    86_400_000,
  ),
  pendingBytesMax: setting(
    whole(MIB, 16 * GIB),
    'integer',
    'bytes of writes waiting for their ack, of all keyspaces',
    64 * MIB,
  ),
  diskReserveBytes: setting(
    whole(0, 1024 * GIB),
    'integer',
    'bytes of its disk below which no new rows are taken; a twentieth of the disk at most',
    256 * MIB,
  ),
  bodyBytesMax: setting(whole(1024, GIB), 'integer', 'largest body of a request that is read whole', 32 * MIB),
  appendTimeoutMs: setting(whole(100, 600_000), 'integer', 'longest wait for one append to the log', 5_000),
  requestTimeoutMs: setting(whole(100, 600_000), 'integer', 'longest wait for an ack, then 504', 10_000),
  probeEveryMs: setting(whole(50, 10_000), 'integer', 'how often the other sites are asked for a sign of life', 250),
  suspectAfterMs: setting(
    whole(500, 600_000),
    'integer',
    'silence of every sign after which a primary is suspected; half of it where its machine says that nobody listens there',
    2_500,
  ),
  suspicionStableMs: setting(
    whole(0, 600_000),
    'integer',
    'how long a majority must go on suspecting it until another site is nominated',
    1_000,
  ),
  failoverEveryMsMin: setting(
    whole(0, 86_400_000),
    'integer',
    'least time from one automatic failover of a keyspace to the next',
    3_600_000,
  ),
  stopTimeoutMs: setting(whole(0, 600_000), 'integer', 'longest wait for what is under way when stopping', 10_000),
};

/** A name that a setting has in files and flags. */
export type SettingName = keyof typeof SETTINGS;
/** All setting names, in the order of `SETTINGS`. */
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];
/** What a configuration may say about each site under `sites`. */
export const SITE_FIELDS = Object.keys(siteSchema.shape);

type Shapes = { [N in SettingName]: (typeof SETTINGS)[N]['schema'] };
const shapes = Object.fromEntries(SETTING_NAMES.map((n) => [n, SETTINGS[n].schema])) as Shapes;

/** The shape of `tidemark.json` once defaults are in place. */
export const CONFIG_FILE = z.strictObject(shapes);
/** What `tidemark.json` holds, of the right shape; defaults are not in it yet. */
export type ConfigFile = z.output<typeof CONFIG_FILE>;

/** `memtableBytesMax` → `TIDEMARK_MEMTABLE_BYTES_MAX`. */
export function environmentName(setting: string): string {
  return `TIDEMARK_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** `memtableBytesMax` → `--memtable-bytes-max`. */
export function flagName(setting: string): string {
  return `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The value a text stands for; a text that cannot be one is left as it is, for the schema to name. */
export function valueOfText(setting: SettingName, text: string): unknown {
  const { kind } = SETTINGS[setting];
  if (kind === 'integer') return /^\d+$/.test(text) ? Number(text) : text;
  if (kind === 'list') return text.split(',').map((part) => part.trim());
  if (kind === 'text') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
