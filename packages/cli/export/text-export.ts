/** Rows of an answer, and a stream of Arrow, into files. */

import type { ScanEnd } from '@tidemark/client/ndjson';
import { Output } from '../output/output.ts';
import { PRINTERS } from '../output/scan-print.ts';
import { writeWhole } from './whole-file.ts';

type Json = Readonly<Record<string, unknown>>;
type Written = { readonly rows: number; readonly bytes: number };

/**
 * Rows alone: what a scan says behind them is in no file.
 * @param names of the columns, for a file without rows
 * @throws {Fault} `invalid`: the file cannot be written. Those of the rows.
 */
export function writeText(
  path: string,
  form: 'csv' | 'ndjson',
  blocks: AsyncGenerator<Json[], ScanEnd>,
  names: readonly string[] | null,
): Promise<Written> {
  return writeWhole(path, async (file) => {
    let pending = '';
    let bytes = 0;
    let rows = 0;
    const flush = async (): Promise<void> => {
      const chunk = Buffer.from(pending);
      pending = '';
      bytes += chunk.length;
      await file.writeFile(chunk);
    };
    const printer = PRINTERS[form](new Output(false, { write: (text: string) => (pending += text) }), names);
    for (;;) {
      const next = await blocks.next();
      if (next.done === true) {
        if (form === 'csv') printer.end(next.value);
        await flush();
        return { rows, bytes };
      }
      rows += next.value.length;
      printer.rows(next.value);
      await flush();
    }
  });
}

/** Bytes as they come. @returns how many */
export function writeBytes(path: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  return writeWhole(path, async (file) => {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      await file.writeFile(chunk);
    }
    return bytes;
  });
}
