/**
 * I8: nothing older than a forgotten delete can come: a site forgets deletes only below what every member that counts has
 * applied, and nobody has applied what its log never held.
 */

import type { Envelope } from '@tidemark/record/envelope';
import { KEYSPACE } from '../clients/client.ts';
import type { SimWorld } from '../world.ts';
import type { Copies } from './copies.ts';
import type { Registers } from './registers.ts';

export class Forgetting {
  readonly #world: SimWorld;
  readonly #copies: Copies;
  readonly #registers: Registers;
  /** By site: the GC watermark that was looked at. */
  readonly #looked = new Map<string, string>();

  constructor(world: SimWorld, copies: Copies, registers: Registers) {
    this.#world = world;
    this.#copies = copies;
    this.#registers = registers;
  }

  /** @param gcWatermark `ms.counter`: what the site may forget deletes below; null: it may not */
  check(site: string, gcWatermark: string | null): void {
    if (gcWatermark === null || this.#looked.get(site) === gcWatermark) return;
    this.#looked.set(site, gcWatermark);
    const [ms, counter] = gcWatermark.split('.').map(Number) as [number, number];
    const members = this.#registers.newest?.members.filter(({ state }) => state === 'ACTIVE') ?? [];
    for (const { envelope } of this.#copies.known.values()) {
      const { stampMs, stampCounter, epoch, seq, origin, partition } = envelope;
      const isBelow = stampMs < ms || (stampMs === ms && stampCounter < counter);
      if (!isBelow || !this.#counts(envelope)) continue;
      const without = members.find(({ site: member }) => {
        return !this.#copies.copy(member, { keyspace: KEYSPACE, origin, partition }).hasHeld(epoch, seq);
      });
      if (without === undefined) continue;
      const words = `${site} may forget deletes below ${gcWatermark}, ${without.site} never had ${origin}/${partition} ${epoch}:${seq}`;
      this.#world.fail('I8', `${words} of ${stampMs}.${stampCounter}`);
      return;
    }
  }

  #counts({ keyspace, partition, epoch, seq, body }: Envelope): boolean {
    if (keyspace !== KEYSPACE || body.kind !== 'Mutate') return false;
    const epochEnd = this.#copies.effective(KEYSPACE, partition).get(epoch);
    return epochEnd !== undefined && seq <= epochEnd;
  }
}
