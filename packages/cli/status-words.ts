/** A site's status as tables for a person. */

import { textTable } from './output.ts';

type Json = Readonly<Record<string, unknown>>;

/** What `GET /v1/status` answers, as far as it is shown. */
export type Status = {
  readonly site?: string;
  readonly sites?: readonly Json[];
  readonly keyspaces?: readonly Json[];
} & Json;

/** Sites first, then each keyspace; lists of objects become tables, whatever they hold. */
export function statusInWords(status: Status): string {
  const parts: string[] = [];
  const facts = Object.entries(status).filter(([, value]) => !isTable(value));
  if (facts.length > 0) parts.push(facts.map(([name, value]) => `${name}: ${text(value)}`).join('\n'));
  for (const [name, value] of Object.entries(status)) if (isTable(value)) parts.push(section(name, value));
  return parts.join('\n\n');
}

function isTable(value: unknown): value is readonly Json[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'object' && one !== null);
}

function section(title: string, rows: readonly Json[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row).filter((name) => !isTable(row[name]))))];
  const table = textTable(
    columns,
    rows.map((row) => columns.map((column) => cell(row[column]))),
  );
  const below = rows.flatMap((row) =>
    Object.entries(row).flatMap(([name, value]) =>
      isTable(value) ? [section(`${text(Object.values(row)[0])} ${name}`, value)] : [],
    ),
  );
  return [`${title}\n${table}`, ...below].join('\n\n');
}

function cell(value: unknown): unknown {
  return typeof value === 'number' || value === null || value === undefined ? (value ?? null) : text(value);
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.map(text).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${text(inner)}`)
    .join(' ');
}
