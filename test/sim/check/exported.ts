/** What sites have written out of divergent suffixes: which rows of which requests, wherever a file of them lies. */

import { SimDisk } from '@tidemark/platform/sim/sim-disk';
import { KEYSPACE } from '../clients/client.ts';
import type { SimSite } from '../cluster/sim-site.ts';

const FOLDER = `tails/${KEYSPACE}`;

type Line = { readonly requestId: string; readonly epoch: number; readonly partition: number; readonly seq: number };

/** Request id → records it was exported from, `epoch/partition/seq`, with how many rows of each. */
export type Exported = ReadonlyMap<string, ReadonlyMap<string, number>>;

export async function exportedAt(sites: readonly SimSite[]): Promise<Exported> {
  const all = new Map<string, Map<string, number>>();
  for (const { platter } of sites) {
    const disk = new SimDisk(platter);
    for (const name of await disk.list(FOLDER)) {
      // Without its summary a file is not finished.
      if (!name.endsWith('.json')) continue;
      const text = Buffer.from(await disk.read(`${FOLDER}/${name.replace(/\.json$/, '.ndjson')}`)).toString('utf8');
      for (const [request, records] of rowsOf(text)) {
        const known = all.get(request) ?? new Map<string, number>();
        all.set(request, known);
        for (const [place, rows] of records) known.set(place, Math.max(rows, known.get(place) ?? 0));
      }
    }
  }
  return all;
}

function rowsOf(text: string): Map<string, Map<string, number>> {
  const requests = new Map<string, Map<string, number>>();
  for (const line of text.split('\n').filter(Boolean)) {
    const { requestId, epoch, partition, seq } = JSON.parse(line) as Line;
    const request = requestId.split('/')[0]!;
    const records = requests.get(request) ?? new Map<string, number>();
    requests.set(request, records);
    const place = `${epoch}/${partition}/${seq}`;
    records.set(place, (records.get(place) ?? 0) + 1);
  }
  return requests;
}
