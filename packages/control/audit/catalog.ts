/**
 * Which keyspaces there are: a fold over the control logs of all sites. A site's control log holds the definitions it
 * accepted and, copied, those it learnt from others. Pure; the fold gives the same catalogue in whatever order and
 * however often the records are read.
 */

import type { Keyspace } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { NO_CHAIN } from '@tidemark/record/envelope';
import { chainFollows, type OpenedRecord, openRecord, sealRecord } from '@tidemark/record/seal';
import { isControl } from './control-record.ts';

/** A keyspace as it was created, and when. */
export type Definition = {
  readonly keyspace: Keyspace;
  /** The keyspace as it stands in the record: copies are equal to the byte. */
  readonly json: string;
  readonly stampMs: number;
};

/** Keyspace name → its definitions, the one that holds first. More than one: two sites were told different things. */
export type Catalog = ReadonlyMap<string, readonly Definition[]>;

/** The fold's beginning: no keyspace is known. */
export const EMPTY_CATALOG: Catalog = new Map();

/** A keyspace that begins now. */
export function definitionOf(keyspace: Keyspace, nowMs: number): Definition {
  return { keyspace, json: JSON.stringify(keyspace), stampMs: nowMs };
}

/**
 * The catalogue once `definition` is known too.
 * Law: definitions in any order, any of them repeated, end in the same catalogue.
 */
export function learn(catalog: Catalog, definition: Definition): Catalog {
  const { name } = definition.keyspace;
  const known = catalog.get(name) ?? [];
  const same = known.find((d) => d.json === definition.json);
  if (same !== undefined && same.stampMs <= definition.stampMs) return catalog;
  const all = [...known.filter((d) => d !== same), definition].sort(byAge);
  return new Map([...catalog, [name, all] as const].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The oldest holds; the text decides between two of the same moment, so that everyone decides alike. */
function byAge(a: Definition, b: Definition): number {
  return a.stampMs - b.stampMs || (a.json < b.json ? -1 : 1);
}

/** Where a control log is. */
export type ControlLogName = { readonly cluster: string; readonly origin: string };

/** What one record of a control log means to the catalogue. */
export type ControlRecord =
  | { readonly kind: 'definition'; readonly definition: Definition }
  /** Something else that belongs there (its identity, what the register writes). */
  | { readonly kind: 'other' }
  /** Does not count, and why. */
  | { readonly kind: 'ignored'; readonly reason: string };

/** What a record of a site's control log says. */
export function readControlRecord(log: ControlLogName, value: Uint8Array): ControlRecord {
  if (isControl(value)) return { kind: 'other' };
  let opened: OpenedRecord;
  try {
    opened = openRecord(value);
  } catch (error) {
    if (isFault(error, 'corrupt')) return ignored(error.message);
    throw error;
  }
  const { envelope } = opened;
  for (const field of ['cluster', 'origin'] as const) {
    if (envelope[field] !== log[field]) return ignored(`${field} ${envelope[field]}, expected ${log[field]}`);
  }
  if (envelope.body.kind !== 'Schema') return { kind: 'other' };
  if (!chainFollows(opened, NO_CHAIN)) return ignored(`definition of ${envelope.keyspace}: its chain is wrong`);
  const { keyspace: json, version } = envelope.body;
  const keyspace = JSON.parse(json) as Keyspace;
  if (keyspace.name !== envelope.keyspace || keyspace.version !== version) {
    const said = `${envelope.keyspace} version ${version}`;
    return ignored(`definition of ${keyspace.name} version ${keyspace.version}, its record says ${said}`);
  }
  return { kind: 'definition', definition: { keyspace, json, stampMs: envelope.stampMs } };
}

function ignored(reason: string): ControlRecord {
  return { kind: 'ignored', reason };
}

/**
 * The record that says so in a site's control log: local to it, without a position. A copy keeps the definition's own
 * time, so that it is the same definition everywhere.
 */
export function controlRecordOf({ cluster, origin }: ControlLogName, definition: Definition): Uint8Array {
  const { keyspace, json, stampMs } = definition;
  const body = { kind: 'Schema', version: keyspace.version, keyspace: json } as const;
  const place = { cluster, keyspace: keyspace.name, origin, epoch: 0, partition: 0, seq: -1 };
  return sealRecord({ ...place, stampMs, stampCounter: 0, writer: 0, committed: -1, body }, NO_CHAIN).bytes;
}
