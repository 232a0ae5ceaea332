/**
 * Records as single characters, and topics as texts of them. What a topic means is folded by the decision that every
 * reader makes (`decide`), on real envelopes whose chain is only a number: it follows what it says it follows.
 */

import { decide, emptyLogHead, type LogHead } from '@tidemark/record/admit';
import { type Body, type Envelope, NO_CHAIN } from '@tidemark/record/envelope';
import { Remembered } from './intern.ts';
import type { Rules } from './rules.ts';

export const SITES = ['paris', 'tokyo', 'lima', 'oslo'] as const;
export const CLUSTER = 'c';
export const KEYSPACE = 'travel';
/** Below are separators of the text a state is. */
const FIRST_TOKEN = 0x30;

/** Where an epoch ended in a partition. */
export type End = { readonly site: string; readonly epoch: number; readonly seq: number; readonly chain: string };

export const NOTHING: End = { site: '', epoch: 0, seq: -1, chain: NO_CHAIN };

export type Place = { readonly origin: number; readonly partition: number };

/** `seq` −1: a FENCE. */
export type Token = Place & {
  readonly epoch: number;
  readonly seq: number;
  /** Chain it follows; null for the start of an epoch. */
  readonly follows: string | null;
  readonly envelope: Envelope;
};

/** A topic and what stands in it. */
export type Copy = Place & {
  /** Its records, one character each. */
  readonly text: string;
  readonly logHead: LogHead;
  /** Epoch → characters of the accepted records, in order. */
  readonly accepted: readonly (string | undefined)[];
  /** Epoch → how many of these are ackable. */
  readonly ackable: readonly (number | undefined)[];
  /** Two records under one position. */
  readonly halted: string | null;
  /** Rule `gap` taken away: nothing is accepted any more. */
  readonly dead: boolean;
};

/** Of at most four sites and four partitions. */
function indexOf({ origin, partition }: Place): number {
  return origin * 4 + partition;
}

export class Records {
  readonly #rules: Rules;
  readonly #tokens: Token[] = [];
  readonly #ids = new Map<string, string>();
  /** By place: topic → what it holds. */
  readonly #copyIds: Map<string, number>[] = [];
  readonly #copies: Copy[] = [];
  readonly #extensions: Map<string, number>[] = [];
  readonly #afters = new Remembered<string, string>();
  readonly #fences = new Remembered<number, string>();
  readonly #nexts = new Map<number, readonly string[]>();

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  token(character: string): Token {
    return this.#tokens[character.charCodeAt(0) - FIRST_TOKEN]!;
  }

  fence(place: Place, closes: number, by: number): string {
    const key = (indexOf(place) * 16 + closes) * 16 + by;
    return this.#fences.of(key, () => {
      return this.#make(place, 0, -1, NO_CHAIN, { kind: 'Fence', closes, by, nonce: '' }, 0);
    });
  }

  /**
   * @param own the last epoch of the same origin that left something; rule `hole` taken away: named only where it is
   *   also the last of all
   */
  start(place: Place, epoch: number, previous: End, own: End): string {
    const end = this.#rules.hole || own.epoch === previous.epoch ? own : NOTHING;
    const body = {
      kind: 'EpochStart' as const,
      writerId: '',
      previousOrigin: previous.site,
      previousEpoch: previous.epoch,
      endSeq: previous.seq,
      endChain: Buffer.from(previous.chain, 'hex'),
      ownEpoch: end.epoch,
      ownEndSeq: end.seq,
      ownEndChain: Buffer.from(end.chain, 'hex'),
    };
    return this.#make(place, epoch, 0, null, body, 0);
  }

  /** @param twin tells apart what two processes wrote under one position; only a mutant does. */
  after(character: string, twin: number): string {
    return this.#afters.of(character + twin, () => {
      const { epoch, seq, envelope, origin, partition } = this.token(character);
      return this.#make({ origin, partition }, epoch, seq + 1, envelope.chain, { kind: 'Noop' }, twin);
    });
  }

  chainOf(character: string): string {
    return this.token(character).envelope.chain;
  }

  #make(place: Place, epoch: number, seq: number, follows: string | null, body: Body, twin: number): string {
    const key = JSON.stringify([place.origin, place.partition, epoch, seq, follows, body, twin]);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const number = this.#tokens.length;
    const { origin, partition } = place;
    const envelope: Envelope = {
      cluster: CLUSTER,
      keyspace: KEYSPACE,
      origin: SITES[origin]!,
      partition,
      epoch,
      seq,
      stampMs: 0,
      stampCounter: 0,
      writer: 0,
      committed: -1,
      body,
      chain: number.toString(16).padStart(4, '0'),
    };
    this.#tokens.push({ origin, partition, epoch, seq, follows, envelope });
    const character = String.fromCharCode(FIRST_TOKEN + number);
    this.#ids.set(key, character);
    return character;
  }

  /** The number of a topic of this text. */
  topicOf(place: Place, text: string): number {
    this.#copyIds[indexOf(place)] ??= new Map();
    const ids = this.#copyIds[indexOf(place)]!;
    const known = ids.get(text);
    if (known !== undefined) return known;
    const copy = text === '' ? this.#empty(place) : this.#take(this.#textTo(place, text), text.at(-1)!);
    ids.set(text, this.#copies.length);
    return this.#copies.push(copy) - 1;
  }

  #textTo(place: Place, text: string): Copy {
    return this.#copies[this.topicOf(place, text.slice(0, -1))]!;
  }

  copy(topic: number): Copy {
    return this.#copies[topic]!;
  }

  /** The number of the topic with one record more. */
  extended(topic: number, character: string): number {
    this.#extensions[topic] ??= new Map();
    const extensions = this.#extensions[topic]!;
    let extended = extensions.get(character);
    if (extended === undefined) {
      const copy = this.#copies[topic]!;
      extended = this.topicOf(copy, copy.text + character);
      extensions.set(character, extended);
    }
    return extended;
  }

  #empty({ origin, partition }: Place): Copy {
    const logHead = emptyLogHead({ cluster: CLUSTER, keyspace: KEYSPACE, origin: SITES[origin]!, partition });
    return { origin, partition, text: '', logHead, accepted: [], ackable: [], halted: null, dead: false };
  }

  #take(before: Copy, character: string): Copy {
    const copy = { ...before, text: before.text + character };
    if (copy.halted !== null || copy.dead) return copy;
    const { envelope, epoch, follows } = this.token(character);
    if (!this.#rules.late && epoch > 0 && copy.logHead.fencedBelow > epoch) return copy;
    const verdict = decide(copy.logHead, envelope, (previous) => previous === follows);
    switch (verdict.kind) {
      case 'HALT':
        return { ...copy, halted: verdict.reason };
      case 'IGNORE':
        return !this.#rules.gap ? { ...copy, dead: true } : copy;
      case 'DUPLICATE':
        return copy;
      case 'LOCAL':
        return { ...copy, logHead: verdict.logHead };
      case 'ACCEPT': {
        const accepted = [...copy.accepted];
        const ackable = [...copy.ackable];
        accepted[epoch] = (copy.accepted[epoch] ?? '') + character;
        if (verdict.ackable) ackable[epoch] = verdict.logHead.seq + 1;
        return { ...copy, logHead: verdict.logHead, accepted, ackable };
      }
    }
  }

  /**
   * The records in `source` that come next in `copy`, wherever in it reading begins: where a copy reads on is a guess,
   * and what stands before that may be damaged or gone. The fences of either do not matter.
   */
  nextOf(copy: number, source: number): readonly string[] {
    const key = copy * 0x100000 + source;
    let next = this.#nexts.get(key);
    if (next === undefined) {
      next = this.#findNext(this.#copies[copy]!, this.#copies[source]!.text);
      this.#nexts.set(key, next);
    }
    return next;
  }

  #findNext({ logHead, halted, dead }: Copy, source: string): string[] {
    if (halted !== null || dead) return [];
    return [...source].filter((character) => {
      const { envelope, seq, follows } = this.token(character);
      if (seq < 0) return false;
      return decide({ ...logHead, fencedBelow: 0 }, envelope, (previous) => previous === follows).kind === 'ACCEPT';
    });
  }

  /** `1:2` or `fence 2`: for people. */
  wordsOf(character: string): string {
    const { epoch, seq, envelope, partition } = this.token(character);
    const where = partition === 0 ? '' : ` of partition ${partition}`;
    return (envelope.body.kind === 'Fence' ? `fence ${envelope.body.by}` : `${epoch}:${seq}`) + where;
  }
}
