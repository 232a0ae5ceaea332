/** Another site, or this one, as a site asks it: a method for each route of `routes.ts`. */

import type { Heard } from '@tidemark/control/consensus/loss-rule';
import type { RegisterAnswer, RegisterRequest } from '@tidemark/control/consensus/register-request';
import type { FenceReport } from '@tidemark/control/failover/election';
import type { LossChoices } from '@tidemark/control/failover/loss';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import type { HealthVote } from '@tidemark/control/failover/suspicion';
import type { Headers, Network } from '@tidemark/platform/network';
import { type Answer, addressOf, ROUTES, type Route } from './routes.ts';
import type {
  AppliedThere,
  FenceAsked,
  FillAsked,
  HeldAnswer,
  HeldAsked,
  Nomination,
  Ping,
  SiteSight,
  Standing,
} from './shapes.ts';
import { type Told, tell } from './told.ts';

/** Over a connection of its own: after an epoch end the old ones say nothing. */
const ALONE: Headers = { connection: 'close' };

type Rest = {
  readonly asked?: object;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number | undefined;
  readonly headers?: Headers;
};

/** One site; nothing rejects with what it or the network may do. */
export class Peer {
  readonly #network: Pick<Network, 'ask'>;
  readonly #place: string;

  /** @param place where its HTTP is, or the address that stands for it */
  constructor(network: Pick<Network, 'ask'>, place: string) {
    this.#network = network;
    this.#place = place;
  }

  /** What its copies of the logs hold. */
  copies(keyspace: string, timeoutMs?: number): Promise<Told<SiteCopies>> {
    return this.#ask(ROUTES.copies, keyspace, { timeoutMs });
  }

  /** The same of several keyspaces, `TOGETHER_MAX` at most; of those it cannot tell of now it says nothing. */
  allCopies(keyspaces: readonly string[]): Promise<Told<Answer<typeof ROUTES.allCopies>>> {
    return this.#ask(ROUTES.allCopies, '', { asked: { keyspaces } });
  }

  /** Writes a fence into its copy of an origin, and tells what the copy held before it (protocol E3). */
  fence(keyspace: string, asked: FenceAsked): Promise<Told<FenceReport>> {
    return this.#ask(ROUTES.fence, keyspace, { asked });
  }

  /** Has it copy an epoch up to its end; `complete` false: not all of it was found in time. */
  fill(keyspace: string, asked: FillAsked): Promise<Told<Answer<typeof ROUTES.fill>>> {
    return this.#ask(ROUTES.fill, keyspace, { asked });
  }

  /** How far it has applied. */
  applied(keyspace: string, timeoutMs?: number): Promise<Told<AppliedThere>> {
    return this.#ask(ROUTES.applied, keyspace, { timeoutMs });
  }

  /** It is to stand for election. */
  nominate(keyspace: string, asked: Nomination, timeoutMs?: number): Promise<Told<Answer<typeof ROUTES.nominate>>> {
    return this.#ask(ROUTES.nominate, keyspace, { asked, timeoutMs });
  }

  /** Whether it wants to lead, and why. */
  standing(keyspace: string): Promise<Told<Standing>> {
    return this.#ask(ROUTES.standing, keyspace);
  }

  /** It takes no more writes, for `to` to lead; tells how far it wrote. */
  abdicate(keyspace: string, to: string): Promise<Told<Answer<typeof ROUTES.abdicate>>> {
    return this.#ask(ROUTES.abdicate, keyspace, { asked: { to } });
  }

  /** The leadership transfer to `to` came to nothing: it writes on. */
  resume(keyspace: string, to: string): Promise<Told<Answer<typeof ROUTES.resume>>> {
    return this.#ask(ROUTES.resume, keyspace, { asked: { to, resume: true } });
  }

  /** What ending the newest term there would cost, by what was heard of its primary. */
  loss(keyspace: string, heard: Heard | null): Promise<Told<LossChoices>> {
    return this.#ask(ROUTES.loss, keyspace, { asked: { heard } });
  }

  /** Whether it suspects the primary. */
  healthVote(keyspace: string): Promise<Told<HealthVote>> {
    return this.#ask(ROUTES.healthVote, keyspace);
  }

  /** What it sees of the primary. */
  sight(keyspace: string): Promise<Told<SiteSight>> {
    return this.#ask(ROUTES.sight, keyspace);
  }

  /** A sign of life; any process of a site answers. @param from who asks; absent: nobody who wants to be remembered */
  ping(from: { readonly from: string; readonly process: string } | Record<string, never> = {}): Promise<Told<Ping>> {
    return this.#ask(ROUTES.ping, '', { asked: from, headers: ALONE });
  }

  /** Its vote on a register. */
  register(keyspace: string, asked: RegisterRequest): Promise<Told<RegisterAnswer>> {
    return this.#ask(ROUTES.register, keyspace, { asked });
  }

  /** What its votes on several registers are, `TOGETHER_MAX` at most; of those it cannot tell of now it says nothing. */
  registers(keyspaces: readonly string[]): Promise<Told<Answer<typeof ROUTES.registers>>> {
    return this.#ask(ROUTES.registers, '', { asked: { keyspaces } });
  }

  /** Its side of a comparison. */
  held(keyspace: string, asked: HeldAsked, timeoutMs?: number): Promise<Told<HeldAnswer>> {
    return this.#ask(ROUTES.held, keyspace, { asked, timeoutMs });
  }

  /** How far each site is behind each origin, as it knows. */
  lags(): Promise<Told<Answer<typeof ROUTES.lags>>> {
    return this.#ask(ROUTES.lags, '');
  }

  /** What it decided. */
  history(): Promise<Told<Answer<typeof ROUTES.history>>> {
    return this.#ask(ROUTES.history, '');
  }

  /** What it knows of one decision. */
  decision(id: string): Promise<Told<Answer<typeof ROUTES.decision>>> {
    return this.#ask(ROUTES.decision, '', { parameters: { id } });
  }

  /** Writes rows as a client does, once however often this is repeated under one key. @param ageMs since it was sent first */
  write(
    {
      keyspace,
      table,
      key,
      ageMs,
    }: { readonly keyspace: string; readonly table: string; readonly key: string; readonly ageMs: number },
    rows: readonly object[],
  ): Promise<Told<Answer<typeof ROUTES.write>>> {
    const headers = { 'idempotency-key': key, 'tidemark-key-age-ms': `${ageMs}` };
    return this.#ask(ROUTES.write, keyspace, { asked: { rows }, parameters: { table }, headers });
  }

  #ask<T>(
    { method, path, timeoutMs: longestMs, tells }: Route<unknown, T>,
    keyspace: string,
    { asked = {}, parameters = {}, timeoutMs = longestMs, headers }: Rest = {},
  ): Promise<Told<T>> {
    const isGet = method === 'GET';
    const url = addressOf(this.#place, path, { keyspace, ...parameters }, isGet ? { ...asked } : {});
    const question = { url, body: isGet ? null : asked, timeoutMs, ...(headers && { headers }) };
    return tell(this.#network, question, tells);
  }
}
