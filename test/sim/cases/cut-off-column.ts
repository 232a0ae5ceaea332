/**
 * A primary that was cut off took columns that the others never heard of, and noted them wherever it notes something; a
 * failover that accepted the loss cut it there. The column that the next primary makes has the number of one of them:
 * its values are shown under its own name, at every site, also when the first one leads again.
 */

import { KEYSPACE } from '../clients/client.ts';
import { fileOf } from '../shape.ts';
import { check, Stage } from './stage.ts';

const PATH = `/v1/keyspaces/${KEYSPACE}`;
/** A writer's point is believed once it is as old as the window of requests is long. */
const OLD_MS = 21_000;
/** Time for a point to be noted. */
const NOTED_MS = 2_000;

export async function cutOffColumn(): Promise<void> {
  const stage = new Stage({ k: 0, degradeTo: 0, isBrief: true });
  const file = fileOf(KEYSPACE, stage.shape);
  const { t } = file.tables;
  const add = async (site: string, ...columns: string[]): Promise<void> => {
    const all = { ...t.columns, ...Object.fromEntries(columns.map((name) => [name, 'string'])) };
    const { status } = await stage.ask(site, 'PUT', PATH, { ...file, tables: { t: { ...t, columns: all } } });
    check(status < 300, `${site} takes the columns ${columns.join()}: ${status}`);
  };
  await stage.makeKeyspace();
  await stage.putAll('paris', 0, 5);
  await stage.rest(NOTED_MS);
  stage.isolate('paris');
  await add('paris', 'unheard');
  await add('paris', 'unheard', 'of');
  await stage.rest(NOTED_MS);
  await stage.until(
    'tokyo is asked to take over',
    async () => (await stage.nominate('tokyo', 'failover', 2_000_000_000)) === 202,
  );
  await stage.until('tokyo takes writes', () => stage.put('tokyo', 100));
  await add('tokyo', 'heard');
  const rows = [{ k: 'a', n: 101, heard: 'yes' }];
  const { status } = await stage.ask('tokyo', 'POST', `/v1/${KEYSPACE}/t/rows?timeoutMs=2000`, { rows });
  check(status === 200, `a row with the new column is acked: ${status}`);
  stage.join('paris');
  await stage.rest(OLD_MS);
  await showsHeard(stage);
  await stage.leads('paris');
  await showsHeard(stage);
}

async function showsHeard(stage: Stage): Promise<void> {
  for (const site of stage.shape.data) {
    await stage.until(`${site} has the row`, async () => (await stage.rowsAt(site)).includes(101));
    const told = await stage.ask(site, 'GET', `/v1/${KEYSPACE}/t/rows/a?limit=1000`);
    const row = (told.body.rows as readonly Record<string, unknown>[]).find(({ n }) => n === 101);
    check(row?.heard === 'yes', `${site} shows the value under its column: ${JSON.stringify(row)}`);
    const { body } = await stage.ask(site, 'GET', PATH);
    check(!JSON.stringify(body).includes('unheard'), `${site} knows no column that was cut`);
  }
}
