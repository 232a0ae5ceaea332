/** Disks that hold something else than they did: older copies, topics made again, beginnings that were trimmed. */

import type { LogRecord } from '@tidemark/log/log';
import { comparePositions, NOWHERE, type Position } from '@tidemark/model/position';
import { topicNames } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { openRecord } from '@tidemark/record/seal';
import { KEYSPACE } from '../clients/client.ts';
import type { SiteCopy } from '../cluster/sim-site.ts';
import type { SimWorld } from '../world.ts';
import type { SimFault } from './sim-fault.ts';

const COPIES = new WeakMap<SimFault, SiteCopy>();
const LEFT_MAX = 20;
/** Of so many trims one is of the control topic: the votes, the decisions and the definitions in it. */
const OF_CONTROL = 5;

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
  const topic = salt % OF_CONTROL === 0 ? topicNames.control : (topics[salt % topics.length] ?? '');
  const partitions = store.topic(topic)?.partitions ?? [];
  const partition = partitions[(salt >> 3) % partitions.length];
  if (partition === undefined) return;
  const left = (salt >> 5) % LEFT_MAX;
  const most = topic === topicNames.log(KEYSPACE, name) ? copiedOf(world, name, partition) : partition.records.length;
  const gone = Math.max(0, Math.min(most, partition.records.length - left));
  partition.records.splice(0, gone);
  partition.start += gone;
  partition.flushedEnd = Math.max(partition.flushedEnd, partition.start);
}

/** How many records of a log's partition another site has, or are no data: what was never copied is nobody's to trim. */
function copiedOf(
  world: SimWorld,
  name: string,
  { number, records }: { readonly number: number; readonly records: readonly LogRecord[] },
): number {
  const others = world.dataNames.filter((one) => one !== name);
  const copies = others.map(
    (one) => world.site(one).store.topic(topicNames.mirror(KEYSPACE, name))?.partitions[number],
  );
  const heads = copies.map((copy) => copy?.records.findLast(({ value }) => positionIn(value) !== null));
  const furthest = heads
    .map((head) => (head === undefined ? NOWHERE : positionIn(head.value)!))
    .reduce((far, at) => (comparePositions(at, far) > 0 ? at : far), NOWHERE);
  const first = records.findIndex(({ value }) => {
    const at = positionIn(value);
    return at !== null && comparePositions(at, furthest) > 0;
  });
  return first < 0 ? records.length : first;
}

/** Null for what is no data record. */
function positionIn(value: Uint8Array): Position | null {
  try {
    const { epoch, seq } = openRecord(value).envelope;
    return seq < 0 ? null : { epoch, seq };
  } catch (error) {
    if (!isFault(error, 'corrupt')) throw error;
    return null;
  }
}
