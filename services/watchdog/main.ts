/** The watchdog of a site: it says that this site is alive, listens for the others, and tells what it knows. */

import type { Board } from '@tidemark/control/board';
import { parseRegisterRequest } from '@tidemark/control/register-json';
import type { RegisterValue } from '@tidemark/control/register-value';
import type { Log } from '@tidemark/log/log';
import type { Keyspace } from '@tidemark/schema/table';
import type { Clock } from '@tidemark/world/clock';
import { Fault } from '@tidemark/world/fault';
import type { Logger } from '@tidemark/world/logger';
import type { LoopLag } from '@tidemark/world/loop-lag';
import type { Network } from '@tidemark/world/network';
import type { Random } from '@tidemark/world/random';
import type { FastifyInstance } from 'fastify';
import { Acceptor } from './acceptor.ts';
import type { SiteFacts } from './facts.ts';
import { BEAT_EVERY_MS, beatUntil } from './heart.ts';
import { RegisterView } from './register-view.ts';
import { type Status, statusOf } from './status.ts';
import { type SeenSite, Watch } from './watch.ts';

export type WatchdogParts = {
  readonly cluster: string;
  readonly site: string;
  /** What this process does at its site; its beat stands under this name. */
  readonly role: string;
  /** Every site's board, the own one included. */
  readonly boards: ReadonlyMap<string, Board>;
  /** This site's own log. */
  readonly log: Log;
  /** True: this process writes the site's control topic, so it is the one that votes for the site. */
  readonly votes: boolean;
  /** Finds the process of a site that votes. */
  readonly network: Network;
  readonly placeOf: (site: string) => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly loopLag: LoopLag;
  readonly facts: () => Omit<SiteFacts, 'loopLagMs'>;
  /** Newest definition known here of every keyspace. */
  readonly keyspaces: () => readonly Keyspace[];
  readonly onFatal: (error: unknown) => void;
};

export class WatchdogService implements AsyncDisposable {
  /** What this process knows of the keyspaces' registers, and how it changes them. */
  readonly registers: RegisterView;
  readonly #parts: WatchdogParts;
  readonly #watch: Watch;
  /** Null where another process of the site votes. */
  readonly #acceptor: Acceptor | null;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #loopLagMs = 0;

  constructor(parts: WatchdogParts) {
    this.#parts = parts;
    this.#watch = new Watch(parts);
    this.registers = new RegisterView(parts);
    const onChosen = (value: RegisterValue): void => this.registers.heard(value);
    this.#acceptor = parts.votes ? new Acceptor({ ...parts, onChosen }) : null;
  }

  start(): void {
    const { site, role, boards, clock, random, logger, loopLag, onFatal } = this.#parts;
    const { signal } = this.#stop;
    const facts = (): SiteFacts => {
      this.#loopLagMs = loopLag.takeMaxMs();
      return this.#own();
    };
    const heart = { site, role, board: boards.get(site)!, clock, random, logger, facts };
    this.#running = Promise.all([beatUntil(heart, signal), this.#watch.run(signal)]).catch((error) => onFatal(error));
  }

  /** Begins to vote; call once the control topic is there, with its first record. */
  beginVoting(): void {
    this.#acceptor?.start();
  }

  #own(): SiteFacts {
    return { ...this.#parts.facts(), loopLagMs: this.#loopLagMs };
  }

  /** From memory: it never waits for a board or another site. */
  status(): Status {
    const { cluster, site, keyspaces } = this.#parts;
    return statusOf({
      cluster,
      site,
      own: this.#own(),
      seen: this.#watch.sites(),
      keyspaces: keyspaces(),
      beatEveryMs: BEAT_EVERY_MS,
    });
  }

  /** Every site as its board shows it. */
  seen(): readonly SeenSite[] {
    return this.#watch.sites();
  }

  /** Where a site, or its process with that role, said its HTTP is; null when it has not been heard. */
  urlOf(site: string, role?: string): string | null {
    return this.#watch.urlOf(site, role);
  }

  /** Longest time this process's loop was held up, in the second before the last beat. */
  get loopLagMs(): number {
    return this.#loopLagMs;
  }

  /** `GET /v1/status`, `POST /v1/internal/register/{keyspace}`. */
  register(app: FastifyInstance): void {
    app.get('/v1/status', async () => this.status());
    app.post<{ Params: { keyspace: string } }>('/v1/internal/register/:keyspace', async ({ params, body }) => {
      const request = parseRegisterRequest(body);
      if (request === null) throw new Fault('invalid', 'no request to a register', { got: JSON.stringify(body) });
      if (this.#acceptor !== null) return this.#acceptor.answer(params.keyspace, request);
      throw new Fault('unavailable', `another process of ${this.#parts.site} votes for it`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.registers[Symbol.asyncDispose]();
    await this.#acceptor?.[Symbol.asyncDispose]();
    await this.#running;
  }
}
