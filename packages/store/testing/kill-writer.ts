/**
 * What `kills.test.ts` kills: a process that writes a partition as fast as it can and says which positions are durable.
 * Arguments: the folder on disk, a seed, how many records there are in all. It goes on from where it finds the partition.
 * With an odd seed another thread merges, and what it has under way is killed with it.
 */

import { NodeDisk } from '@tidemark/platform/node-disk';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { ThreadedCompaction } from '../merge/threaded-compaction.ts';
import { Partition } from '../partition.ts';
import { applyWrite, randomWrites, TABLE } from './arbitraries.ts';

const [root, seed, count] = process.argv.slice(2);
const disk = new NodeDisk(root!);
await using compactionExecutor = Number(seed) % 2 === 1 ? ThreadedCompaction.of(disk, 1, 0) : null;
const partition = await Partition.open(disk, 'kills', { blockRows: 64, compactionExecutor });
partition.setTable(TABLE);
const act = new SeededRandom(process.pid);
for (const write of randomWrites(new SeededRandom(Number(seed)), Number(count), 40, 400)) {
  if (!applyWrite(partition, write) || integerBetween(act, 0, 9) > 2) continue;
  await partition.flush();
  const durable = partition.origins.map((origin) => [origin, partition.durablePosition(origin).seq]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(durable))}\n`);
}
await partition.compact();
await partition.close();
process.stdout.write('done\n');
