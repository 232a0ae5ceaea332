/** The columns that a file names, against those of its table. */

import type { ColumnType } from '@tidemark/model/column-type';
import { nearestHint } from '@tidemark/model/nearest';
import { Fault } from '@tidemark/platform/fault';

/**
 * @param names as they stand in the file, in order
 * @throws {Fault} `invalid`: one comes twice, as only one of the two could be kept; or the table does not have it
 */
export function checkFileColumns(file: string, names: readonly string[], types: ReadonlyMap<string, ColumnType>): void {
  const seen = new Map<string, number>();
  names.forEach((name, i) => {
    const before = seen.get(name);
    if (before !== undefined) {
      const message = `${file}: column "${name}" comes twice, as number ${before} and ${i + 1}`;
      throw new Fault('invalid', message, { column: name, got: name, expected: 'each column once' });
    }
    seen.set(name, i + 1);
    if (types.has(name)) return;
    const expected = [...types.keys()].join(', ');
    const message = `${file}: column "${name}"${nearestHint(name, types.keys())} is not in the table, which has ${expected}`;
    throw new Fault('invalid', message, { column: name, got: name, expected });
  });
}
