/** The divergent suffixes that a site wrote out, read from its files by nothing of ours. */

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DevSite } from '@tidemark/dev/sites';
import { promise } from './fault-row.ts';

export type WrittenTail = {
  /** Of all epochs that left a tail. */
  readonly rows: number;
  /** Keys of the rows of the table `probes`, of every epoch. */
  readonly probes: ReadonlySet<string>;
};

type Summary = { readonly origin: string; readonly rows: number; readonly sha256: string };
type Line = { readonly table: string; readonly values: { readonly k?: string } };

/** What the site wrote of its own terms. @throws {BrokenPromise} a file is not what its summary says */
export async function tailOf(site: DevSite, keyspace: string): Promise<WrittenTail> {
  const folder = join(site.folder, 'tails', keyspace);
  const names = await readdir(folder).catch(() => []);
  const probes = new Set<string>();
  let rows = 0;
  for (const name of names.filter((one) => one.endsWith('.json'))) {
    const { value: summary } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { readonly value: Summary };
    if (summary.origin !== site.name) continue;
    const text = await readFile(join(folder, name.replace(/json$/, 'ndjson')), 'utf8');
    const lines = text.split('\n').filter((line) => line !== '');
    promise(lines.length === summary.rows, `${name}: ${lines.length} rows in the file, ${summary.rows} in its summary`);
    const sha256 = createHash('sha256').update(text).digest('hex');
    promise(sha256 === summary.sha256, `${name}: SHA-256 ${sha256} of the file, ${summary.sha256} in its summary`);
    for (const { table, values } of lines.map((line) => JSON.parse(line) as Line)) {
      if (table === 'probes' && values.k !== undefined) probes.add(values.k);
    }
    rows += summary.rows;
  }
  return { rows, probes };
}
