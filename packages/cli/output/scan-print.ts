/** Rows of an answer as a person or a program wants them: a table, JSON, lines of JSON, CSV. */

import type { ScanEnd } from '@tidemark/client/ndjson';
import { own } from '@tidemark/model/own';
import { type Output, textTable } from './output.ts';

/** Forms that `--output` takes, beside those that are not text. */
export const TEXT_FORMS = ['table', 'json', 'ndjson', 'csv'] as const;
/** One of `TEXT_FORMS`. */
export type TextForm = (typeof TEXT_FORMS)[number];

/** Rows a table on the terminal looks at to find its widths. */
const TABLE_ROWS = 1_000;

type Json = Readonly<Record<string, unknown>>;

/** Prints rows as they come, then what a form has at its end. */
export type Printer = { rows(block: readonly Json[]): void; end(end: ScanEnd): unknown };

/**
 * Blocks of rows that are never empty, then the end.
 * @param names of the result's columns in order, so that they are told also when there is no row; null when nobody knows
 */
export const PRINTERS: Record<TextForm, (output: Output, names: readonly string[] | null) => Printer> = {
  json(output) {
    let first = true;
    return {
      rows(block) {
        output.raw(block.map((row, i) => `${first && i === 0 ? '{"rows":[' : ','}${JSON.stringify(row)}`).join('\n'));
        first = false;
      },
      end(end) {
        output.raw(`${first ? '{"rows":[' : ''}],"end":${JSON.stringify(end)}}\n`);
      },
    };
  },
  ndjson: (output) => ({
    rows: (block) => output.raw(block.map((row) => `${JSON.stringify(row)}\n`).join('')),
    end: (end) => output.raw(`${JSON.stringify({ $end: end })}\n`),
  }),
  csv(output, names) {
    let columns: readonly string[] | null = null;
    return {
      rows(block) {
        const header = columns === null;
        columns ??= names ?? Object.keys(block[0]!);
        const records = block.map((row) => csvRecord(columns!.map((column) => own(row, column))));
        output.raw((header ? csvRecord(columns) : '') + records.join(''));
      },
      end: () => columns === null && names !== null && output.raw(csvRecord(names)),
    };
  },
  table(output) {
    let held: Json[] = [];
    let columns: string[] | null = null;
    const flush = (): void => {
      if (held.length === 0) return;
      const isFirst = columns === null;
      columns ??= [...new Set(held.flatMap((row) => Object.keys(row)))];
      const lines = textTable(
        columns,
        held.map((row) => columns!.map((column) => own(row, column) ?? null)),
      );
      output.raw(`${isFirst ? lines : lines.split('\n').slice(2).join('\n')}\n`);
      held = [];
    };
    return {
      rows(block) {
        held = held.concat(block);
        if (held.length >= TABLE_ROWS) flush();
      },
      end(end) {
        flush();
        const more = end.cursor === null ? '' : '; there are more';
        output.note(`${end.rows} rows of ${end.scanned} in ${end.ms} ms${more}`);
      },
    };
  },
};

function csvRecord(cells: readonly unknown[]): string {
  return `${cells.map(csvCell).join(',')}\n`;
}

function csvCell(cell: unknown): string {
  if (cell === null || cell === undefined) return '';
  const text = typeof cell === 'string' ? cell : typeof cell === 'object' ? bytesText(cell) : String(cell);
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function bytesText(cell: object): string {
  return '$bytes' in cell ? String(cell.$bytes) : JSON.stringify(cell);
}
