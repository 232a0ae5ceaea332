/** Three embedded sites that ack at two, over HTTP at the primary, by connections of the bench's own. */

import { PROGRAM } from '@tidemark/cli/program';
import type { Reaper } from '@tidemark/dev/reaper';
import { startSites } from '@tidemark/dev/sites';
import { HttpLane, requestBytes } from '../daily/http-lane.ts';
import { defineKeyspace } from '../site-load.ts';
import type { Lanes, Side, TableName } from './sides.ts';
import { bucketKeyOf, FIELDS, fieldsOf, keyOf, type Operation, writtenField } from './workloads.ts';

const PARTITIONS = 8;
const BATCH_ROWS = 500;
const LOAD_LANES = 4;
const TEXTS = Object.fromEntries(Array.from({ length: FIELDS }, (_, i) => [`field${i}`, 'string']));

/** @throws {Error} when a site cannot be started, or takes no rows */
export async function startOurs(folder: string, reaper: Reaper): Promise<Side> {
  const sites = await startSites({ program: PROGRAM, engine: 'embedded', count: 3, folder, reaper, firstPort: null });
  const { url } = sites[0]!;
  const host = new URL(url).host;
  await defineKeyspace(url, {
    keyspace: 'ycsb',
    mode: 'single',
    primary: sites[0]!.name,
    ack: 'sync(1)',
    failover: 'manual',
    sites: Object.fromEntries(sites.map(({ name }) => [name, 'data'])),
    partitions: PARTITIONS,
    tables: {
      usertable: { columns: { id: 'string', ...TEXTS }, partitionKey: 'id' },
      buckets: { columns: { bucket: 'int', id: 'string', ...TEXTS }, partitionKey: 'bucket', sortKey: ['id'] },
    },
  });

  const requestsOf = (table: TableName, { kind, row, length, ...written }: Operation): Buffer[] => {
    const path = `/v1/ycsb/${table}/rows`;
    const { bucket, id } = bucketKeyOf(row);
    const whole = table === 'usertable' ? `${path}/${keyOf(row)}` : `${path}/${bucket}/${id}`;
    const read = (): Buffer => requestBytes(host, 'GET', whole);
    const update = (): Buffer => {
      const field = writtenField({ kind, row, length, ...written });
      return requestBytes(host, 'PATCH', whole, { [field]: written.value });
    };
    switch (kind) {
      case 'read':
        return [read()];
      case 'update':
        return [update()];
      case 'insert':
        return [requestBytes(host, 'PATCH', whole, fieldsOf(row))];
      case 'scan':
        return [requestBytes(host, 'GET', `${path}/${bucket}?from=${id}&limit=${length}`)];
      case 'modify':
        return [read(), update()];
    }
  };

  return {
    name: 'Tidemark',
    async load(table, from, to) {
      const lanes = await Promise.all(Array.from({ length: LOAD_LANES }, () => HttpLane.open(url)));
      let next = from;
      const lane = async (one: HttpLane): Promise<void> => {
        while (next < to) {
          const begin = next;
          next = Math.min(to, begin + BATCH_ROWS);
          const rows = Array.from({ length: next - begin }, (_, i) => {
            const row = begin + i;
            return { ...(table === 'usertable' ? { id: keyOf(row) } : bucketKeyOf(row)), ...fieldsOf(row) };
          });
          await one.ask(requestBytes(host, 'POST', `/v1/ycsb/${table}/rows`, { rows }));
        }
      };
      await Promise.all(lanes.map(lane));
      for (const one of lanes) one.close();
    },
    async read(table, row, length) {
      const lane = await HttpLane.open(url);
      const kind = length === 1 ? 'read' : 'scan';
      const answer = await lane.ask(requestsOf(table, { kind, row, length, value: '' })[0]!);
      lane.close();
      const said = JSON.parse(answer.toString('utf8')) as { row?: Fields; rows?: Fields[] };
      return (said.rows ?? [said.row ?? (said as Fields)]).map(({ field0 }) => field0);
    },
    async askers(table, wanted, lanes): Promise<Lanes> {
      const open = await Promise.all(Array.from({ length: lanes }, () => HttpLane.open(url)));
      const requests = wanted.map((operation) => requestsOf(table, operation));
      const askers = open.map((lane) => async (n: number) => {
        for (const request of requests[n]!) await lane.ask(request);
      });
      const close = (): void => {
        for (const lane of open) lane.close();
      };
      return { askers, close };
    },
    async stop() {
      await Promise.all(sites.map((site) => site.stop()));
    },
  };
}

type Fields = { readonly field0?: string };
