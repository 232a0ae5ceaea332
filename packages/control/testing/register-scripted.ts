/**
 * For tests: the sites' acceptors in memory, and a network between them and any number of proposers that loses,
 * repeats, delays and reorders what it carries.
 */

import type { Clock } from '@tidemark/platform/clock';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { type ControlBody, encodeControl } from '../audit/control-record.ts';
import {
  type AcceptorState,
  answerOf,
  bodyOfRequest,
  foldAcceptor,
  NO_ACCEPTOR,
  readVoteRecord,
} from '../consensus/acceptor.ts';
import { registerAnswer, registerRequest } from '../consensus/register-json.ts';
import type { RegisterAnswer, RegisterRequest } from '../consensus/register-request.ts';

const NAME = { cluster: 'c' };

/** One site's acceptor on a topic of its own. */
export class ScriptedAcceptor {
  readonly site: string;
  #topic: Uint8Array[] = [];
  #state: AcceptorState = NO_ACCEPTOR;

  constructor(site: string, id: string) {
    this.site = site;
    this.#append('', { kind: 'Acceptor', id });
  }

  get id(): string {
    return this.#state.id!;
  }

  /** A new process reads the topic from its start. */
  restart(): void {
    this.#state = NO_ACCEPTOR;
    for (const bytes of this.#topic) this.#fold(bytes);
  }

  /** The topic is lost, and with it all this acceptor knew. */
  wipe(id: string): void {
    this.#topic = [];
    this.#state = NO_ACCEPTOR;
    this.#append('', { kind: 'Acceptor', id });
  }

  answer(keyspace: string, json: unknown): object {
    const request = registerRequest.parse(json);
    const body = bodyOfRequest(request);
    const ok = body === null || this.#append(keyspace, body);
    return answerOf(this.#state, keyspace, request, ok);
  }

  #append(keyspace: string, body: ControlBody): boolean {
    const bytes = encodeControl({ ...NAME, site: this.site, keyspace, timeMs: 0, body });
    this.#topic.push(bytes);
    return this.#fold(bytes);
  }

  #fold(bytes: Uint8Array): boolean {
    const voted = readVoteRecord({ ...NAME, origin: this.site }, bytes);
    if (voted === null || 'ignored' in voted) throw new Error(`no vote: ${voted?.ignored}`);
    const { state, ok } = foldAcceptor(this.#state, voted.record);
    this.#state = state;
    return ok;
  }
}

/** Chances between 0 and 1, and the longest delay of one way. */
export type Weather = { readonly loss: number; readonly repeat: number; readonly delayMsMax: number };

export const FAIR: Weather = { loss: 0, repeat: 0, delayMsMax: 5 };

/** Longest wait for one site's answer, as that of the route. */
const ASK_MS = 1_000;

export class ScriptedNetwork {
  weather: Weather = FAIR;
  /** Sites nothing reaches. */
  readonly away = new Set<string>();
  /** What a site's answer becomes on its way; unchanged unless a test says otherwise. */
  alter: (site: string, answer: RegisterAnswer) => RegisterAnswer = (_site, answer) => answer;
  readonly #acceptors: ReadonlyMap<string, ScriptedAcceptor>;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(acceptors: readonly ScriptedAcceptor[], clock: Clock, random: Random) {
    this.#acceptors = new Map(acceptors.map((acceptor) => [acceptor.site, acceptor]));
    this.#clock = clock;
    this.#random = random;
  }

  /** Null: no answer in time. */
  async ask(site: string, keyspace: string, request: RegisterRequest): Promise<RegisterAnswer | null> {
    const { loss, repeat } = this.weather;
    const late = new AbortController();
    // As bytes, so that nothing is shared and nothing changes on its way.
    const json = JSON.stringify(request);
    const carry = async (): Promise<RegisterAnswer> => {
      await this.#delay();
      if (this.away.has(site) || this.#random.fraction() < loss) return this.#nothing();
      const answer = JSON.stringify(this.#acceptors.get(site)!.answer(keyspace, JSON.parse(json)));
      await this.#delay();
      if (this.away.has(site) || this.#random.fraction() < loss) return this.#nothing();
      return this.alter(site, registerAnswer.parse(JSON.parse(answer)));
    };
    if (this.#random.fraction() < repeat) void carry();
    const over = this.#clock.sleep(ASK_MS, late.signal).then(() => null);
    return Promise.race([carry(), over]).finally(() => late.abort());
  }

  async #delay(): Promise<void> {
    await this.#clock.sleep(integerBetween(this.#random, 0, this.weather.delayMsMax));
  }

  #nothing(): Promise<never> {
    return new Promise(() => {});
  }
}
