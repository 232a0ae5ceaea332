/**
 * What a topic of ours has to be set to, and what becomes of one that is set otherwise: retention would trim it, too small
 * messages would refuse an append, and the rest decides what an answered append survives. All of it is ours to set, so it
 * is corrected when the site starts, and said; only more replicas take an operator.
 */

import { RECORD_BYTES_MAX } from '../log.ts';
import { API, type WireRequest } from './wire.ts';
import { WireReader, WireWriter } from './wire-bytes.ts';

/** One append's values, its headers, and what Kafka adds to each of its records. */
export const MESSAGE_BYTES_MAX = RECORD_BYTES_MAX + 1024 * 1024;

const REPLICAS_MAX = 3;

/** As many as there are brokers, three at most, whether all of them are up now or not. */
export function replicasOf(brokersListed: number, brokersUp: number): number {
  return Math.min(REPLICAS_MAX, Math.max(brokersListed, brokersUp));
}

/** Topic settings by Kafka's own name, as text. */
export type Settings = Readonly<Record<string, string>>;

/** @param replicas that the topic has */
export function settingsOf({ flushed }: { readonly flushed: boolean }, replicas: number): Settings {
  return {
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'max.message.bytes': String(MESSAGE_BYTES_MAX),
    'message.timestamp.type': 'LogAppendTime',
    'min.insync.replicas': replicas >= REPLICAS_MAX ? '2' : '1',
    'unclean.leader.election.enable': 'false',
    ...(flushed ? { 'flush.messages': '1' } : {}),
  };
}

type Differing = { readonly setting: string; readonly got: string; readonly wanted: string };

/** The settings that have to be other ones; a larger limit of messages is as good. */
export function differing(wanted: Settings, found: Settings): Differing[] {
  return Object.entries(wanted).flatMap(([setting, value]) => {
    const got = found[setting];
    if (got === undefined || got === value) return [];
    if (setting === 'max.message.bytes' && Number(got) >= Number(value)) return [];
    return [{ setting, got, wanted: value }];
  });
}

/** `retention.ms=86400000 is to be -1`, one after the other. */
export function inWords(differences: readonly Differing[]): string {
  return differences.map(({ setting, got, wanted }) => `${setting}=${got} is to be ${wanted}`).join(', ');
}

/** The command with which an operator sets them. */
export function remedyFor(topic: string, brokers: string, differences: readonly Differing[]): string {
  const pairs = differences.map(({ setting, wanted }) => `${setting}=${wanted}`).join(',');
  return `kafka-configs.sh --bootstrap-server ${brokers} --alter --entity-type topics --entity-name ${topic} --add-config ${pairs}`;
}

const TOPIC = 2;
const SET = 0;

/** Settings of a topic, its own and the broker's; `error` is Kafka's. */
export function describeSettingsRequest(
  topic: string,
): WireRequest<{ readonly error: number; readonly found: Settings }> {
  const out = new WireWriter();
  // A list of names that is null asks for all.
  out.array([topic], () => out.byte(TOPIC).text(topic).byte(0).tags());
  out.byte(0).byte(0).tags();
  const decode = (answer: Buffer): { error: number; found: Settings } => {
    const from = new WireReader(answer);
    from.int32();
    const [first] = from.array(() => {
      const error = from.int16();
      from.text();
      from.byte();
      from.text();
      const settings = from.array((): [string, string] => {
        const pair: [string, string] = [from.text(), from.text()];
        for (let flag = 0; flag < 3; flag++) from.byte();
        from.array(() => {
          from.text();
          from.text();
          from.byte();
          from.tags();
        });
        from.byte();
        from.text();
        from.tags();
        return pair;
      });
      from.tags();
      return { error, found: Object.fromEntries(settings) };
    });
    return first!;
  };
  return { ...API.describeConfigs, body: out.parts, decode };
}

/** Sets these and leaves the others as they are. */
export function alterSettingsRequest(
  topic: string,
  settings: Settings,
): WireRequest<{ readonly error: number; readonly message: string }> {
  const out = new WireWriter();
  out.array([topic], () => {
    out.byte(TOPIC).text(topic);
    out.array(Object.entries(settings), ([setting, value]) => out.text(setting).byte(SET).text(value).tags()).tags();
  });
  out.byte(0).tags();
  const decode = (answer: Buffer): { error: number; message: string } => {
    const from = new WireReader(answer);
    from.int32();
    const [first] = from.array(() => {
      const said = { error: from.int16(), message: from.text() };
      from.byte();
      from.text();
      from.tags();
      return said;
    });
    return first!;
  };
  return { ...API.incrementalAlterConfigs, body: out.parts, decode };
}
