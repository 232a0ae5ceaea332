/**
 * Row 12: a byte of the primary's log is flipped and the broker killed. Kafka's own recovery cuts the log there, and a
 * position that was given away must not be given again.
 */

import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { settle } from '@tidemark/cli/drill/account';
import { takeBack } from '@tidemark/cli/drill/returned';
import type { DevSite } from '@tidemark/dev/sites';
import { isSuccessor } from '@tidemark/record/log-identity';
import { calm, type FaultRow, loadOf, promise, promiseBalance, TAKEOVER_MS_MAX } from './stage/fault-row.ts';
import { foldOf } from './stage/fold-of.ts';

const LEVEL_MS_MAX = 120_000;
const PARTITIONS = 4;
/**
 * Where in the newest segment: a site knows where its log ended two seconds ago, so that it notices the one itself; of
 * the other the copies elsewhere know.
 */
const SHARES = [0.3, 0.9] as const;
const LOAD_S = 6;

/** Flips a byte in the newest segment of a partition; whole batches follow it. @returns how many bytes do */
async function flipByte(site: DevSite, topicPartition: string, share: number): Promise<number> {
  const folder = join(site.kafka!.folder, 'data', topicPartition);
  const segments = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
  const file = await open(join(folder, segments.at(-1)!), 'r+');
  try {
    const { size } = await file.stat();
    const at = Math.floor(size * share);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = byte[0]! ^ 0x10;
    await file.write(byte, 0, 1, at);
    await file.sync();
    return size - at;
  } finally {
    await file.close();
  }
}

export const logCut: FaultRow = {
  row: 12,
  fault: 'Kafka loses the end of the log (its own recovery after a flipped byte)',
  promise: 'found by the known end, the log is not trusted, no position is used twice, no acked row of sync(1) is lost',
  sizeIs: 'times it happens',
  small: 1,
  large: 10,
  mutants: ['cut-log-is-trusted'],
  run: async (trial) => {
    const { stage, folder, size, say } = trial;
    await using load = loadOf(trial);
    const beganAtMs = Date.now();
    let noticed = 0;
    for (let round = 0; round < size; round++) {
      await calm(load, LOAD_S);
      const before = await stage.primary(TAKEOVER_MS_MAX);
      const site = stage.site(before.site);
      const share = SHARES[round % SHARES.length]!;
      const partition = round % PARTITIONS;
      const { logIds: known } = await foldOf(site, stage.keyspace, site.name);
      await site.killAll();
      const bytes = await flipByte(site, `tidemark.${stage.keyspace}.log.${site.name}-${partition}`, share);
      await site.startAll();
      await calm(load, 1);
      const after = await stage.primary(TAKEOVER_MS_MAX);
      say(`${site.name} lost ${bytes} bytes of partition ${partition}; ${after.site} writes in epoch ${after.epoch}`);
      promise(after.epoch > before.epoch, `the log was cut, and epoch ${before.epoch} went on`);
      await takeBack(site, stage.keyspace);
      const own = await foldOf(site, stage.keyspace, site.name);
      const [was, is] = [known[partition]!, own.logIds[partition]!];
      const isNoticed = isSuccessor(was, is);
      promise(isNoticed || share > 0.5, `partition ${partition} of ${site.name} lost its end, and is log ${is} still`);
      say(`${site.name} holds ${own.accepted} records; partition ${partition} was log ${was} and is ${is}`);
      noticed += isNoticed ? 1 : 0;
    }
    const account = await settle(stage, folder, load, { faultAtMs: beganAtMs, untilMs: Date.now() + LEVEL_MS_MAX });
    promiseBalance(account, account.examples);
    return { cuts: size, noticedByItself: noticed, rowsLost: account.ledger.missing };
  },
};
