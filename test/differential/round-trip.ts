/**
 * `node test/differential/round-trip.ts --tables 200 --python PYTHON`: random tables as files of every form, which pyarrow has
 * to read as they were. PYTHON is one that has pyarrow.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatColumnType } from '@tidemark/model/column-type';
import { Exported, FORMS } from './exported.ts';

const CHECK = fileURLToPath(new URL('check_round_trip.py', import.meta.url));
/** Tables that are given to Python at once. */
const AT_ONCE = 50;

const { values } = parseArgs({
  options: { tables: { type: 'string' }, seed: { type: 'string' }, python: { type: 'string' } },
});
const tables = Number(values.tables ?? 50);
const first = Number(values.seed ?? 1);
const folder = mkdtempSync(join(tmpdir(), 'tidemark-round-trip-'));
try {
  for (let from = 0; from < tables; from += AT_ONCE) {
    const names: string[] = [];
    for (let seed = first + from; seed < first + Math.min(tables, from + AT_ONCE); seed++) {
      const exported = await Exported.make(seed, folder);
      const rows = await exported.rows();
      for (const form of ['parquet', 'csv', 'ndjson'] as const) {
        const same = JSON.stringify(await exported.loaded(form)) === JSON.stringify(rows);
        if (!same) throw new Error(`table ${seed}: its own ${form} loads as another`);
      }
      const columns = exported.columns.map(({ name, type }) => ({ name, type: formatColumnType(type) }));
      const files = Object.fromEntries(FORMS.map((form) => [form, exported.path(form)]));
      const name = join(folder, `table-${seed}.json`);
      writeFileSync(name, JSON.stringify({ seed, columns, files, rows }));
      names.push(name);
    }
    execFileSync(values.python ?? 'python3', [CHECK, ...names], { stdio: 'inherit' });
  }
} finally {
  rmSync(folder, { recursive: true });
}
