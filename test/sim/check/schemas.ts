/** I16: whoever reads a partition to some row has read the table's schema in it before. */

import type { Envelope } from '@tidemark/record/envelope';
import type { SimWorld } from '../world.ts';
import type { Copies } from './copies.ts';

export class Schemas {
  readonly #world: SimWorld;
  readonly #copies: Copies;
  /** `partition/epoch` → the newest version said in it, and by seq, in order. */
  readonly #said = new Map<string, { readonly seq: number; readonly version: number }[]>();

  constructor(world: SimWorld, copies: Copies) {
    this.#world = world;
    this.#copies = copies;
  }

  /** A record was accepted for the first time. */
  check({ keyspace, epoch, partition, seq, body }: Envelope): void {
    if (body.kind === 'Schema') this.#saidIn(partition, epoch).push({ seq, version: body.version });
    if (body.kind !== 'Mutate') return;
    const known = this.#versionAt(keyspace, partition, epoch, seq);
    if (known >= body.schemaVersion) return;
    const words = `${epoch}:${seq} of partition ${partition} is of schema ${body.schemaVersion}, before it stands ${known}`;
    this.#world.fail('I16', words);
  }

  #saidIn(partition: number, epoch: number): { readonly seq: number; readonly version: number }[] {
    const key = `${partition}/${epoch}`;
    const said = this.#said.get(key) ?? [];
    this.#said.set(key, said);
    return said;
  }

  /** The newest version said up to a place, there or in what its epoch follows; 0 when none was. */
  #versionAt(keyspace: string, partition: number, epoch: number, seq: number): number {
    const here = this.#saidIn(partition, epoch).findLast((said) => said.seq <= seq);
    if (here !== undefined) return here.version;
    const before = this.#copies.before(keyspace, partition, epoch);
    return before === null ? 0 : this.#versionAt(keyspace, partition, before.epoch, before.seq);
  }
}
