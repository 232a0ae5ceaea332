/**
 * A primary whose own log has lost a record in its midst, and whose column files have to be built from it, applies nothing beyond.
 * It hands over, as then its log is filled from the others', and has every row again; nobody has to be asked.
 */

import { topicNames } from '@tidemark/model/table';
import { openRecord } from '@tidemark/record/seal';
import { KEYSPACE } from '../clients/client.ts';
import { check, Stage } from './stage.ts';

/** The notes of where its log can be read on from are believed by then. */
const OLD_MS = 25_000;

type SiteRole = { readonly site: string; readonly role: string };

export async function holeInLog(): Promise<void> {
  const stage = new Stage({ isBrief: true });
  await stage.makeKeyspace();
  const acked = await stage.putAll('paris', 0, 20);
  await stage.rest(OLD_MS);
  const paris = stage.world.site('paris');
  paris.kill();
  for (const path of [...paris.platter.folders.keys()]) {
    if (path.startsWith(KEYSPACE) || path === 'checkpoints/applier') paris.platter.folders.delete(path);
  }
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
  await stage.until('every row is read at paris', async () => {
    const { body: ready } = await stage.ask('paris', 'GET', '/readyz');
    if (/cannot be read beyond .*switchover --to/.test(String(ready.detail))) told.ready = String(ready.detail);
    const { body: status } = await stage.ask('paris', 'GET', '/v1/status');
    const roles = (status.keyspaces as readonly { readonly sites: readonly SiteRole[] }[])[0]?.sites ?? [];
    if (roles.find(({ site }) => site === 'paris')?.role === 'rebuild') told.role = 'rebuild';
    const { status: answered, body } = await stage.ask('paris', 'GET', `/v1/${KEYSPACE}/t/rows/a?limit=1000`);
    const rows = answered === 200 ? (body.rows as readonly { readonly n: number }[]).map(({ n }) => n) : [];
    return acked.every((n) => rows.includes(n));
  });
  check(told.ready !== '', 'paris said on /readyz what it lacked');
  check(told.role !== '', 'paris said in status that it was filled again');
  check((await stage.ask('paris', 'GET', '/readyz')).status === 200, 'paris is ready again');
  check((await stage.put('tokyo', 100)) || (await stage.put('quito', 100)), 'another site takes writes');
  check(stage.world.violations.length === 0, 'no promise was broken');
}
