/**
 * A primary that is cut off, and does not know that another one took over, is asked to write a column that was made there. It
 * cannot tell whether there is one.
 */

import { KEYSPACE } from '../clients/client.ts';
import { fileOf } from '../shape.ts';
import { check, Stage } from './stage.ts';

const PATH = `/v1/keyspaces/${KEYSPACE}`;

export async function staleRefusal(): Promise<void> {
  const stage = new Stage();
  const file = fileOf(KEYSPACE, stage.shape);
  const { t } = file.tables;
  await stage.makeKeyspace();
  await stage.putAll('paris', 0, 5);
  stage.isolate('paris');
  await stage.until('tokyo is asked to take over', async () => (await stage.nominate('tokyo', 'failover')) === 202);
  await stage.until('tokyo takes writes', () => stage.put('tokyo', 100));
  const columns = { ...t.columns, late: 'string' };
  const made = await stage.ask('tokyo', 'PUT', PATH, { ...file, tables: { t: { ...t, columns } } });
  check(made.status === 200, `tokyo takes the column: ${made.status}`);
  const rows = [{ k: 'a', n: 101, late: 'yes' }];
  const asked = (site: string) => stage.ask(site, 'POST', `/v1/${KEYSPACE}/t/rows?timeoutMs=1000`, { rows });
  const stale = await asked('paris');
  check(stale.status === 503, `paris cannot tell whether there is such a column: ${JSON.stringify(stale)}`);
  const { status } = await asked('tokyo');
  check(status === 200, `tokyo takes the row: ${status}`);
  stage.join('paris');
  await stage.until('paris says who writes', async () => (await asked('paris')).status === 307);
}
