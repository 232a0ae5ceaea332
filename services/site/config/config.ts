/**
 * What a site is told: defaults < `tidemark.json` < `TIDEMARK_*` < flags. One strict shape; everything that is wrong is
 * named at once, an unknown name together with the nearest known one.
 */

import { dirname, resolve } from 'node:path';
import { nearestHint } from '@tidemark/model/nearest';
import { Fault, messageOf } from '@tidemark/platform/fault';
import type { z } from 'zod';
import {
  type HeartbeatStoreAddress,
  isLoopback,
  LISTEN_EXPECTED,
  type ListenAddress,
  type LogAddress,
  parseListenAddress,
  withoutPassword,
} from './address.ts';
import { type MemoryPlan, memoryPlan } from './memory-plan.ts';
import {
  CONFIG_FILE,
  type ConfigFile,
  environmentName,
  flagName,
  type Role,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  SITE_FIELDS,
  valueOfText,
} from './settings.ts';

/**
 * Where a site's parts are. `url` and `peerUrl` are null where they were not given: then its heartbeat tells, and a site whose
 * `url` alone is given is asked there by everybody.
 */
export type SiteAddresses = {
  readonly log: LogAddress;
  readonly board: HeartbeatStoreAddress;
  readonly url: string | null;
  readonly peerUrl: string | null;
};

/** A site's settings, checked and complete. */
export type Config = {
  readonly cluster: string;
  readonly site: string;
  readonly listen: ListenAddress;
  /** Where the other sites ask it. */
  readonly peerListen: ListenAddress;
  /** Nothing asks yet who calls: beyond loopback a site listens only where it is told that its network keeps others out. */
  readonly trustedNetwork: boolean;
  /** Names this site is reached by, beside those that follow from its addresses. */
  readonly hosts: readonly string[];
  /** Absolute. */
  readonly data: string;
  readonly roles: readonly Role[];
  /** Every site of the cluster, this one included. */
  readonly sites: ReadonlyMap<string, SiteAddresses>;
  readonly logLevel: ConfigFile['logLevel'];
  /** What the process may take; null: it is not stated. */
  readonly memory: number | null;
  /** How that is divided. */
  readonly memoryPlan: MemoryPlan;
  readonly memtableBytesMax: number;
  readonly flushEveryMs: number;
  readonly deletionsKeptMs: number;
  readonly pendingBytesMax: number;
  readonly bodyBytesMax: number;
  readonly diskReserveBytes: number;
  readonly appendTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly probeEveryMs: number;
  readonly suspectAfterMs: number;
  readonly suspicionStableMs: number;
  readonly failoverEveryMsMin: number;
  readonly stopTimeoutMs: number;
  /** Each setting as it was given, and by whom. */
  readonly given: ReadonlyMap<SettingName, Given>;
};

/** `from`: `default`, the file's path, an environment variable or a flag. */
export type Given = { readonly value: unknown; readonly from: string };

/** Where settings come from, the later ones going before the earlier. */
export type ConfigInput = {
  /** The configuration file, read. Relative paths in it are relative to its folder. */
  readonly file?: { readonly path: string; readonly text: string };
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By setting name: `{ appendTimeoutMs: '2000' }`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
};

/** `TIDEMARK_*` variables that other parts of the product read. */
const ENVIRONMENT_OF_OTHERS = new Set([
  'TIDEMARK_CONFIG',
  'TIDEMARK_URL',
  'TIDEMARK_KAFKA',
  'TIDEMARK_REDIS',
  'TIDEMARK_CACHE',
]);

/** @throws {Fault} `invalid`: names every setting that is wrong, with what was given, by whom, and what is expected. */
export function readConfig(input: ConfigInput): Config {
  const problems: string[] = [];
  const given = new Map<SettingName, Given>();
  for (const name of SETTING_NAMES) {
    const { fallback } = SETTINGS[name];
    if (fallback !== undefined) given.set(name, { value: fallback, from: 'default' });
  }
  takeFile(input.file, given, problems);
  takeEnvironment(input.env ?? {}, given, problems);
  takeFlags(input.flags ?? {}, given, problems);
  takeDerived(given);
  const raw = Object.fromEntries([...given].map(([name, { value }]) => [name, value]));
  const parsed = CONFIG_FILE.safeParse(raw);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => problemOf(issue, raw, given)));
  else problems.push(...contradictions(parsed.data, given));
  if (problems.length > 0 || !parsed.success) throw new Fault('invalid', `configuration: ${problems.join('; ')}`);
  return finished(parsed.data, given, input.file?.path);
}

function takeFile(file: ConfigInput['file'], given: Map<SettingName, Given>, problems: string[]): void {
  if (file === undefined) return;
  let json: unknown;
  try {
    json = JSON.parse(file.text);
  } catch (error) {
    problems.push(`${file.path} is not JSON: ${(error as Error).message}`);
    return;
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    problems.push(`${file.path}: got ${shown(json)}, expected an object of settings`);
    return;
  }
  for (const [name, value] of Object.entries(json)) {
    if (isSetting(name)) given.set(name, { value, from: file.path });
    else problems.push(`${file.path}: unknown setting "${name}"${nearestHint(name, SETTING_NAMES)}`);
  }
}

function takeEnvironment(env: NonNullable<ConfigInput['env']>, given: Map<SettingName, Given>, problems: string[]) {
  const known = new Map(SETTING_NAMES.map((name) => [environmentName(name), name]));
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('TIDEMARK_') || text === undefined || ENVIRONMENT_OF_OTHERS.has(variable)) continue;
    const name = known.get(variable);
    if (name !== undefined) given.set(name, { value: valueOfText(name, text), from: variable });
    else problems.push(`environment: unknown setting ${variable}${nearestHint(variable, known.keys())}`);
  }
}

function takeFlags(flags: NonNullable<ConfigInput['flags']>, given: Map<SettingName, Given>, problems: string[]) {
  for (const [name, text] of Object.entries(flags)) {
    if (text === undefined) continue;
    if (isSetting(name)) given.set(name, { value: valueOfText(name, text), from: flagName(name) });
    else problems.push(`unknown flag ${flagName(name)}${nearestHint(flagName(name), SETTING_NAMES.map(flagName))}`);
  }
}

/** A site told nothing but its name keeps everything in one folder and is alone. */
function takeDerived(given: Map<SettingName, Given>): void {
  if (!given.has('peerListen')) {
    const host = parseListenAddress(String(given.get('listen')!.value))?.host ?? '127.0.0.1';
    given.set('peerListen', { value: `${host}:0`, from: 'default' });
  }
  const site = given.get('site')?.value;
  if (typeof site !== 'string') return;
  if (!given.has('data')) given.set('data', { value: `.tidemark/${site}`, from: 'default' });
  const data = given.get('data')!;
  if (given.has('sites') || typeof data.value !== 'string') return;
  const value = { [site]: { log: `sqlite:${data.value}/log.db`, board: `file:${data.value}/board.json` } };
  given.set('sites', { value, from: data.from === 'default' ? 'default' : `default, by ${data.from}` });
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** What one complaint of the schema means to whoever wrote the value. */
function problemOf(issue: z.core.$ZodIssue, raw: object, given: ReadonlyMap<SettingName, Given>): string {
  const [name] = issue.path;
  const from = given.get(name as SettingName)?.from;
  const field = `${issue.path.join('.')}${from === undefined || from === 'default' ? '' : ` (${from})`}`;
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => `unknown setting "${key}"${nearestHint(key, SITE_FIELDS)}`);
    return `${field}: ${unknown.join(', ')}`;
  }
  if (issue.code === 'invalid_key') return `${field}: ${issue.issues[0]?.message ?? 'not a name'}`;
  const got = issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)?.[key], raw);
  const text = typeof got === 'string' ? withoutPassword(got) : got;
  return `${field}: got ${shown(text)}, expected ${expectedBy(issue, name as SettingName)}`;
}

function expectedBy(issue: z.core.$ZodIssue, name: SettingName): string {
  if (issue.code === 'too_small') return `at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  if (issue.code === 'invalid_value') return issue.values.join(' or ');
  if (issue.code !== 'invalid_type') return issue.message;
  const kind = issue.expected === 'int' || issue.expected === 'number' ? 'a whole number' : issue.expected;
  return issue.path.length === 1 ? `${kind} (${SETTINGS[name].meaning})` : `${kind}`;
}

/** What no single setting shows. */
function contradictions(file: ConfigFile, given: ReadonlyMap<SettingName, Given>): string[] {
  const names = Object.keys(file.sites);
  const found: string[] = [];
  for (const name of ['listen', 'peerListen'] as const) {
    const { value, from } = given.get(name)!;
    if (file.trustedNetwork || isLoopback(file[name].host)) continue;
    // What follows from the other one is said there.
    if (from !== 'default') found.push(`${name} (${from}): got ${shown(value)}, expected ${LISTEN_EXPECTED}`);
  }
  if (!names.includes(file.site)) {
    found.push(`site: got "${file.site}", expected one of ${names.join(', ')}${nearestHint(file.site, names)}`);
  }
  const ownerOfLog = new Map<string, string>();
  for (const [name, { log }] of Object.entries(file.sites)) {
    for (const place of log.engine === 'sqlite' ? [resolve(log.path)] : log.brokers) {
      const owner = ownerOfLog.get(place);
      if (owner !== undefined && owner !== name) found.push(`sites: ${owner} and ${name} have the same log, ${place}`);
      ownerOfLog.set(place, name);
    }
  }
  try {
    const { clientBodies } = memoryPlan(file);
    const { value, from } = given.get('bodyBytesMax')!;
    if (from !== 'default' && file.bodyBytesMax > clientBodies)
      found.push(
        `bodyBytesMax (${from}): got ${shown(value)}, expected at most ${clientBodies}, which memory leaves bodies`,
      );
  } catch (error) {
    found.push(messageOf(error).replace('memory:', `memory (${given.get('memory')!.from}):`));
  }
  return found;
}

function finished(file: ConfigFile, given: ReadonlyMap<SettingName, Given>, filePath: string | undefined): Config {
  const ofFile = filePath === undefined ? '.' : dirname(filePath);
  const folderOf = (name: SettingName): string => {
    const from = given.get(name)!.from;
    return from === filePath || from.startsWith('default') ? ofFile : '.';
  };
  const sitesFolder = given.get('sites')!.from.startsWith('default') ? folderOf('data') : folderOf('sites');
  const placed = <T extends { readonly engine: string }>(address: T): T =>
    'path' in address ? { ...address, path: resolve(sitesFolder, address.path as string) } : address;
  const sites = Object.entries(file.sites).map(([name, { log, board, ...urls }]): [string, SiteAddresses] => [
    name,
    { log: placed(log), board: placed(board), ...urls },
  ]);
  const plan = memoryPlan(file);
  const bodyBytesMax = Math.min(file.bodyBytesMax, plan.clientBodies);
  return {
    ...file,
    bodyBytesMax,
    memoryPlan: plan,
    data: resolve(folderOf('data'), file.data),
    sites: new Map(sites),
    given,
  };
}

/** Each setting's value, where it came from and what it means, for `--print-config`; passwords are covered. */
export function describeConfig(config: Config): Record<string, Given & { readonly meaning: string }> {
  const cover = (_key: string, value: unknown): unknown => (typeof value === 'string' ? withoutPassword(value) : value);
  return Object.fromEntries(
    SETTING_NAMES.map((name) => {
      const { value, from } = config.given.get(name)!;
      return [name, { value: JSON.parse(JSON.stringify(value, cover)), from, meaning: SETTINGS[name].meaning }];
    }),
  );
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
