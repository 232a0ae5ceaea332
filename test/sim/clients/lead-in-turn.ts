/**
 * At the end of a run every data site leads in turn, the one that leads now last: so each takes over, writes, and hands
 * over again. Whatever happened before must not have left a site that can win an election and never lead.
 */

import { parseToken } from '@tidemark/model/position';
import { versionAt } from '../faults/operators.ts';
import type { SimWorld } from '../world.ts';
import { KEYS, KEYSPACE, type SimClient } from './client.ts';

/** So long one site may take until it leads and a write of it is acked. */
const LEAD_MS = 90_000;

export class Turns {
  /** Why it is not done yet. */
  difference = '';
  readonly #world: SimWorld;
  readonly #client: SimClient;
  readonly #until: (holds: () => Promise<boolean>, forMs: number) => Promise<boolean>;

  /** @param client whose writes are to be acked under each */
  constructor(
    world: SimWorld,
    client: SimClient,
    until: (holds: () => Promise<boolean>, forMs: number) => Promise<boolean>,
  ) {
    this.#world = world;
    this.#client = client;
    this.#until = until;
  }

  /** @returns whether each led, and stepped down */
  async run(primary: string): Promise<boolean> {
    const { dataNames } = this.#world;
    const at = dataNames.indexOf(primary);
    for (const site of [...dataNames.slice(at + 1), ...dataNames.slice(0, at + 1)]) {
      this.difference = '';
      // One that was the primary may take itself for it until it hears that another one is: then it is asked again.
      const writes = async (): Promise<boolean> => (await this.#leads(site)) && (await this.#writesAt(site));
      if (!(await this.#until(writes, LEAD_MS))) return false;
    }
    return true;
  }

  async #leads(site: string): Promise<boolean> {
    const body = {
      cause: 'switchover',
      reason: 'everyone in turn',
      version: await versionAt(this.#world, site),
      loss: null,
    };
    const request = { method: 'POST', path: `/v1/internal/nominate/${KEYSPACE}`, body } as const;
    const reply = await this.#world.exchange.request('operator', site, request, 2_000);
    const said = JSON.stringify(reply.body);
    this.difference = `${site} does not lead: ${reply.status} ${said}`;
    return reply.status === 409 && said.includes('is its primary already');
  }

  async #writesAt(site: string): Promise<boolean> {
    const { outcome, token } = await this.#client.write(KEYS[1]!);
    const origin = token === null ? null : parseToken(token).origin;
    this.difference = `${site} leads, and a write is ${outcome}${origin === null ? '' : ` by ${origin}`}`;
    return outcome === 'acked' && origin === site;
  }
}
