/** Disks that hold something else than they did: older copies, topics made again, beginnings that were trimmed. */

import { topicNames } from '@tidemark/model/table';
import { KEYSPACE } from '../clients/client.ts';
import type { SiteCopy } from '../cluster/sim-site.ts';
import type { SimWorld } from '../world.ts';
import type { SimFault } from './sim-fault.ts';

const COPIES = new WeakMap<SimFault, SiteCopy>();
const LEFT_MAX = 20;

/** What will be put back later is copied in its time. */
export function prepare(world: SimWorld, fault: SimFault): void {
  if (fault.kind !== 'restored') return;
  const copy = (): unknown => COPIES.set(fault, world.site(fault.site).copy());
  world.scheduler.after(fault.atMs - fault.backMs - world.scheduler.nowMs, copy);
}

/** The site has been killed. */
export function restore(world: SimWorld, fault: SimFault & { readonly kind: 'restored' }): void {
  const copy = COPIES.get(fault);
  const site = world.site(fault.site);
  if (copy === undefined) site.kill();
  else site.restore(copy, fault.of);
}

export function remake(world: SimWorld, { site: name, salt }: SimFault & { readonly kind: 'remade' }): void {
  const site = world.site(name);
  site.kill();
  const topics = site.store
    .topicNames()
    .filter((topic) => topic === topicNames.control || topic.includes(`.${KEYSPACE}.`));
  const topic = topics[salt % topics.length];
  if (topic !== undefined) site.store.remove(topic);
}

export function trim(world: SimWorld, { site: name, salt }: SimFault & { readonly kind: 'trimmed' }): void {
  const { store } = world.site(name);
  const topics = store.topicNames().filter((topic) => topic.includes(`.${KEYSPACE}.`));
  const partition = store.topic(topics[salt % topics.length] ?? '')?.partitions[(salt >> 3) % 2];
  if (partition === undefined) return;
  const left = (salt >> 5) % LEFT_MAX;
  const gone = Math.max(0, partition.records.length - left);
  partition.records.splice(0, gone);
  partition.start += gone;
  partition.flushedEnd = Math.max(partition.flushedEnd, partition.start);
}
