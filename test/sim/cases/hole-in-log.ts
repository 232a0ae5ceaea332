/**
 * A primary whose own log has lost a record in its midst, and is read through again, can neither apply nor know what is beyond. It
 * hands over, as then its log is filled from the others', and has every row again; nobody has to be asked.
 */

import { topicNames } from '@tidemark/model/table';
import { openRecord } from '@tidemark/record/seal';
import { KEYSPACE } from '../clients/client.ts';
import { check, Stage } from './stage.ts';

/** The notes of where its log can be read on from are believed by then. */
const OLD_MS = 25_000;

type SiteRole = { readonly site: string; readonly role: string };

/** What of the folder is gone, so that the log is read through: by the applier, or by the writer. */
const GONE = {
  'column files': (path: string) => path.startsWith(KEYSPACE) || path === 'checkpoints/applier',
  notes: (path: string) => path === 'checkpoints/writer',
};

/** @param gone of its folder, beside the record in its log */
export async function holeInLog(gone: keyof typeof GONE): Promise<void> {
  const stage = new Stage({ isBrief: true });
  await stage.makeKeyspace();
  const acked = await stage.putAll('paris', 0, 20);
  await stage.rest(OLD_MS);
  const paris = stage.world.site('paris');
  paris.kill();
  const { folders } = paris.platter;
  for (const path of [...folders.keys()]) if (GONE[gone](path)) folders.delete(path);
  for (const { records } of paris.store.topic(topicNames.log(KEYSPACE, 'paris'))!.partitions) {
    const rows = records.filter(({ value }) => openRecord(value).envelope.body.kind === 'Mutate');
    const lost = rows[Math.floor(rows.length / 2)];
    if (lost === undefined) continue;
    const value = Buffer.from(lost.value);
    value[40]! ^= 1;
    records[records.indexOf(lost)] = { ...lost, value };
  }
  paris.start();
  const told = { ready: '', role: '' };
  await stage.until('every row is read at paris, and it was filled', async () => {
    const { body: ready } = await stage.ask('paris', 'GET', '/readyz');
    if (/cannot be read beyond .*switchover --to/.test(String(ready.detail))) told.ready = String(ready.detail);
    const { body: status } = await stage.ask('paris', 'GET', '/v1/status');
    const roles = (status.keyspaces as readonly { readonly sites: readonly SiteRole[] }[])[0]?.sites ?? [];
    if (roles.find(({ site }) => site === 'paris')?.role === 'rebuild') told.role = 'rebuild';
    const { status: answered, body } = await stage.ask('paris', 'GET', `/v1/${KEYSPACE}/t/rows/a?limit=1000`);
    const rows = answered === 200 ? (body.rows as readonly { readonly n: number }[]).map(({ n }) => n) : [];
    return told.role !== '' && acked.every((n) => rows.includes(n));
  });
  check(told.ready !== '', 'paris said on /readyz what it lacked');
  await stage.until('paris is ready again', async () => (await stage.ask('paris', 'GET', '/readyz')).status === 200);
  check((await stage.put('tokyo', 100)) || (await stage.put('quito', 100)), 'another site takes writes');
  check(stage.world.violations.length === 0, 'no promise was broken');
}
