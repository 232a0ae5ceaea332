/**
 * Records of the ingest topic, from any producer in any language, into one batch per table. Each is framed as Confluent
 * does (00, u32 schema id big-endian) or as a single object (C3 01, CRC-64-AVRO fingerprint little-endian).
 */

import { ROW, RowBatch } from '@tidemark/columnar/row-batch';
import { addRow, type RowFormat } from '@tidemark/columnar/row-writer';
import { type ColumnType, physicalOf, type Value } from '@tidemark/model/column-type';
import { columnById, columnNamed, type Keyspace, keyColumns, type Table, tableNamed } from '@tidemark/model/table';
import { cellToText, expectedOf, valueFromText } from '@tidemark/model/text/cell-value';
import {
  DATE_DAYS_MAX,
  DATE_DAYS_MIN,
  dateFromText,
  TIMESTAMP_US_MAX,
  timestampFromText,
} from '@tidemark/model/text/time';
import { Fault, isRefusal } from '@tidemark/platform/fault';
import { AvroCursor } from '@tidemark/record/avro-cursor';
import { fingerprint } from '@tidemark/record/fingerprint';
import {
  type AvroFields,
  type AvroScalar,
  type Convert,
  compileRecord,
  type Logical,
  type RecordReader,
} from './avro-record.ts';
import { ROW_MUTATION_SCHEMA, tableSchema } from './ingest-schema.ts';

/** Schema id → the schema; null when there is no registry, or it does not know the id. */
export type SchemaLookup = (id: number) => object | null;

/** Where a record's row went. */
export type Ingested = {
  readonly table: Table;
  readonly batch: RowBatch;
  readonly row: number;
  /** What the producer named the request, to make a repeat harmless. */
  readonly requestId: string | null;
};

const ROW_MUTATION = `${ROW_MUTATION_SCHEMA.namespace}.${ROW_MUTATION_SCHEMA.name}`;
/** Of wider tables a schema is worked out when a record asks for it. */
const EAGER_COLUMNS_MAX = 256;
/** So many fields of older schemas of a table are gone through for a fingerprint that nobody knows. */
const OLDER_FIELDS_MAX = 20_000;

const CONFLUENT_BYTES = 5;
const SINGLE_OBJECT_BYTES = 10;
const DECIMAL_BYTES_MAX = 32;

/** Reads records into batches that it keeps, one for each table, until they are cleared. */
export class IngestReader {
  /** By table id; the owner clears each when it has taken its rows. */
  readonly batches = new Map<number, RowBatch>();
  #keyspace: Keyspace;
  readonly #lookup: SchemaLookup;
  /** Fingerprint in hex, or `id` and the number → the schema. Those of earlier keyspace versions stay known. */
  readonly #schemas = new Map<string, object>();
  /** By table as it is, and largest column id (−1: all): what is in `#schemas` of it. */
  readonly #named = new WeakMap<Table, Map<number, string>>();
  readonly #readers = new Map<object, RecordReader>();

  constructor(keyspace: Keyspace, lookup: SchemaLookup = () => null) {
    this.#keyspace = keyspace;
    this.#lookup = lookup;
    this.#schemas.set(fingerprint(ROW_MUTATION_SCHEMA).toString('hex'), ROW_MUTATION_SCHEMA);
    this.learn(keyspace);
  }

  /** Takes the keyspace as it has become. Rows of a table whose column types change must have been taken before. */
  learn(keyspace: Keyspace): void {
    for (const table of keyspace.tables) {
      for (const [id, vector] of this.batches.get(table.id)?.columns ?? []) {
        if (vector.kind === physicalOf(columnById(table, id).type)) continue;
        throw new Error(`table ${table.name}: its rows are to be taken before column ${id} changes its type`);
      }
      if (table.columns.length <= EAGER_COLUMNS_MAX) this.#schemaOf(table);
    }
    this.#keyspace = keyspace;
    this.#readers.clear();
  }

  /** Makes the table's schema known, as it is or as it was when it had no larger column ids. @returns its name */
  #schemaOf(table: Table, idMax?: number): string {
    const names = this.#named.get(table) ?? new Map<number, string>();
    this.#named.set(table, names);
    const known = names.get(idMax ?? -1);
    if (known !== undefined) return known;
    const schema = tableSchema(table, idMax);
    const name = fingerprint(schema).toString('hex');
    if (!this.#schemas.has(name)) this.#schemas.set(name, schema);
    names.set(idMax ?? -1, name);
    return name;
  }

  /**
   * The schema of a table with this fingerprint, as it is or as it was before some of its columns were added: a producer
   * keeps the one it was printed.
   */
  #schemaNamed(wanted: string): object | undefined {
    const known = this.#schemas.get(wanted);
    if (known !== undefined) return known;
    for (const table of this.#keyspace.tables) {
      if (this.#schemaOf(table) === wanted) break;
      let fields = 0;
      for (const { id } of table.columns.toReversed()) {
        fields += table.columns.length;
        if (fields > OLDER_FIELDS_MAX || this.#schemaOf(table, id - 1) === wanted) break;
      }
    }
    return this.#schemas.get(wanted);
  }

  /**
   * Adds one record's row to its table's batch.
   * @throws {Fault} `invalid`: why it cannot be read; the batch is as before
   * @throws {NewColumns} its table has to grow first (then `learn` and add again); the batch is as before
   */
  add(value: Uint8Array): Ingested {
    try {
      if (value[0] === 0x00) return this.#addConfluent(value);
      if (value[0] === 0xc3 && value[1] === 0x01) return this.#addSingleObject(value);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new Fault('invalid', `ingest record of ${value.length} bytes: ${error.message}`, {
        ...error.details,
        cause: error,
      });
    }
    const got = Buffer.from(value.subarray(0, 2)).toString('hex') || 'nothing';
    const expected = '00 and a schema id, or c301 and a fingerprint';
    const message = `ingest record of ${value.length} bytes begins ${got}, expected ${expected}`;
    throw new Fault('invalid', message, { got, expected });
  }

  #addConfluent(value: Uint8Array): Ingested {
    checkHeader(value, CONFLUENT_BYTES);
    const id = Buffer.from(value.buffer, value.byteOffset, value.byteLength).readUInt32BE(1);
    const known = this.#schemas.get(`id ${id}`);
    const schema = known ?? this.#lookup(id);
    if (schema !== null) {
      if (known === undefined) this.#schemas.set(`id ${id}`, schema);
      return this.#take(schema, value, CONFLUENT_BYTES);
    }
    try {
      return this.#take(ROW_MUTATION_SCHEMA, value, CONFLUENT_BYTES);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const message = `schema id ${id} is not known here, so it was read as ${ROW_MUTATION}: ${error.message}`;
      throw new Fault('invalid', message, { ...error.details, cause: error });
    }
  }

  #addSingleObject(value: Uint8Array): Ingested {
    checkHeader(value, SINGLE_OBJECT_BYTES);
    const got = Buffer.from(value.subarray(2, SINGLE_OBJECT_BYTES)).toString('hex');
    const schema = this.#schemaNamed(got);
    if (schema !== undefined) return this.#take(schema, value, SINGLE_OBJECT_BYTES);
    const known = [...this.#schemas].map(([name, s]) => `${name} (${(s as { name?: string }).name ?? 'no name'})`);
    const expected = known.join(', ');
    throw new Fault('invalid', `nobody knows schema ${got}, expected one of ${expected}`, { got, expected });
  }

  #take(schema: object, value: Uint8Array, from: number): Ingested {
    const reader = this.#reader(schema);
    const cursor = new AvroCursor(value, from);
    const fields = reader.read(cursor);
    if (cursor.left > 0) {
      throw new Fault('invalid', `${cursor.left} bytes follow after the record`, { got: cursor.left, expected: 0 });
    }
    if (reader.fullName === ROW_MUTATION) return this.#addMutation(fields);
    const table = this.#tableOf(reader);
    return this.#addFields(table, ROW.upsert, fields, null);
  }

  #reader(schema: object): RecordReader {
    const known = this.#readers.get(schema);
    if (known !== undefined) return known;
    const { name, namespace } = schema as { readonly name?: string; readonly namespace?: string };
    const isMutation = name === ROW_MUTATION || `${namespace}.${name}` === ROW_MUTATION;
    const reader = isMutation
      ? compileRecord(schema, ['key', 'cells'], () => undefined)
      : compileRecord(schema, [], this.#conversions(schema));
    this.#readers.set(schema, reader);
    return reader;
  }

  /** What logical types become depends on the column they go to. */
  #conversions(schema: object): (field: string, logical: Logical) => Convert | undefined {
    const columns = (schema as { readonly fields?: readonly { name: string; column?: string }[] }).fields ?? [];
    return (field, logical) => {
      const name = columns.find((f) => f.name === field)?.column ?? field;
      const table = this.#tableNamed(schema as { name?: string; table?: unknown });
      return conversion(name, table === undefined ? undefined : columnNamed(table, name)?.type, logical);
    };
  }

  #tableNamed(schema: { readonly name?: string; readonly table?: unknown }): Table | undefined {
    const name = String(schema.table ?? schema.name?.slice(schema.name.lastIndexOf('.') + 1));
    return this.#keyspace.tables.find((table) => table.name === name);
  }

  #tableOf(reader: RecordReader): Table {
    const table = this.#tableNamed(reader.schema);
    return table ?? tableNamed(this.#keyspace, String(reader.schema.table ?? reader.name));
  }

  #addMutation(record: AvroFields): Ingested {
    const { table: name, op = 'UPSERT', key, cells = {}, requestId = null } = record;
    const table = tableNamed(this.#keyspace, String(name));
    const isKey = new Set(keyColumns(table).map((column) => column.name));
    const fields = Object.create(null) as AvroFields;
    for (const [column, value] of Object.entries((key ?? {}) as AvroFields)) {
      if (!isKey.has(column)) throw misplaced(table, column, 'key', [...isKey].join(', '));
      fields[column] = value;
    }
    for (const [column, value] of Object.entries(cells as AvroFields)) {
      if (isKey.has(column)) throw misplaced(table, column, 'cells', 'in "key" alone, for it is part of the key');
      fields[column] = value;
    }
    const flag = op === 'DELETE' ? ROW.delete : ROW.upsert;
    return this.#addFields(table, flag, fields, typeof requestId === 'string' ? requestId : null);
  }

  #addFields(table: Table, flag: number, fields: AvroFields, requestId: string | null): Ingested {
    let batch = this.batches.get(table.id);
    if (batch === undefined) {
      batch = new RowBatch();
      this.batches.set(table.id, batch);
    }
    addRow(table, flag, fields, batch, AVRO_FORMAT);
    return { table, batch, row: batch.rowCount - 1, requestId };
  }
}

function checkHeader(value: Uint8Array, length: number): void {
  if (value.length >= length) return;
  throw new Fault('invalid', `cut short: its header takes ${length} bytes`, { got: value.length, expected: length });
}

function misplaced(table: Table, column: string, field: string, expected: string): Fault {
  const message = `table ${table.name}, column ${column}: got it in "${field}", expected ${expected}`;
  return new Fault('invalid', message, { table: table.name, column, got: field, expected });
}

const AVRO_FORMAT: RowFormat = {
  toValue: valueFromAvro,
  expected: avroExpected,
  infer: inferFromAvro,
  reserved: [],
};

/** A number says nothing of its unit: whoever is refused learns it here. */
function avroExpected(type: ColumnType): string {
  switch (type.name) {
    case 'timestamp':
      return `whole microseconds since 1970 UTC, ${-TIMESTAMP_US_MAX} to ${TIMESTAMP_US_MAX}, or RFC 3339 text`;
    case 'date':
      return `whole days since 1970, ${DATE_DAYS_MIN} to ${DATE_DAYS_MAX}, or text like 2001-01-10`;
    case 'bytes':
      return 'bytes';
    default:
      return expectedOf(type);
  }
}

function inferFromAvro(raw: unknown): ColumnType | null {
  if (raw instanceof Uint8Array) return { name: 'bytes' };
  const names = { boolean: 'boolean', bigint: 'long', number: 'double', string: 'string' } as const;
  const name = names[typeof raw as keyof typeof names];
  return name === undefined ? null : { name };
}

/** A raw Avro value as a value of the type; undefined when it is none. Whole numbers may come as any number. */
function valueFromAvro(type: ColumnType, raw: unknown): Value | undefined {
  switch (type.name) {
    case 'boolean':
      return typeof raw === 'boolean' ? raw : undefined;
    case 'int':
      return wholeBetween(raw, -2_147_483_648, 2_147_483_647);
    case 'long':
      if (typeof raw === 'number') return Number.isSafeInteger(raw) ? BigInt(raw) : undefined;
      return typeof raw === 'bigint' ? raw : undefined;
    case 'double':
      return typeof raw === 'number' ? raw : wholeBetween(raw, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    case 'string':
      return typeof raw === 'string' ? raw : undefined;
    case 'bytes':
      return raw instanceof Uint8Array ? raw : undefined;
    case 'timestamp':
      if (typeof raw === 'string') return numberOrNone(timestampFromText(raw));
      return wholeBetween(raw, -TIMESTAMP_US_MAX, TIMESTAMP_US_MAX);
    case 'date':
      if (typeof raw === 'string') return numberOrNone(dateFromText(raw));
      return wholeBetween(raw, DATE_DAYS_MIN, DATE_DAYS_MAX);
    case 'decimal':
      return typeof raw === 'string' ? valueFromText(type, raw) : undefined;
  }
}

function numberOrNone(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}

function wholeBetween(raw: unknown, min: number, max: number): number | undefined {
  if (typeof raw !== 'bigint' && typeof raw !== 'number') return undefined;
  const value = Number(raw);
  return raw >= min && raw <= max && Number.isInteger(value) ? value : undefined;
}

/** How a field of a logical type becomes what its column takes; undefined when the value is that already. */
function conversion(field: string, type: ColumnType | undefined, logical: Logical): Convert | undefined {
  switch (logical.name) {
    case 'timestamp-millis':
      return type?.name === 'timestamp' ? (raw) => (raw as bigint) * 1000n : only(field, type, logical, ['long']);
    case 'timestamp-micros':
      return only(field, type, logical, ['timestamp', 'long']);
    case 'date':
      return only(field, type, logical, ['date', 'int', 'long']);
    case 'decimal':
      return type?.name === 'decimal' ? (raw) => decimalText(raw, logical) : only(field, type, logical, ['bytes']);
    case 'uuid':
      return only(field, type, logical, ['string', 'bytes']);
    default:
      return only(field, type, logical, ['int', 'long', 'double', 'string', 'bytes']);
  }
}

/** Refuses a logical type whose number would mean something else in the column. */
function only(field: string, type: ColumnType | undefined, logical: Logical, names: readonly string[]): undefined {
  if (type === undefined || names.includes(type.name)) return undefined;
  const message = `column ${field}: got ${logical.name}, expected ${type.name}`;
  throw new Fault('invalid', message, { column: field, got: logical.name, expected: type.name });
}

/** Avro's decimal, a two's complement big-endian whole number, as its digits. */
function decimalText(raw: AvroScalar, logical: Logical): AvroScalar {
  if (!(raw instanceof Uint8Array) || raw.length > DECIMAL_BYTES_MAX) return raw;
  const { precision = 0, scale = 0 } = logical;
  const hex = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('hex');
  const unscaled = hex === '' ? 0n : BigInt.asIntN(raw.length * 8, BigInt(`0x${hex}`));
  return cellToText({ name: 'decimal', precision, scale }, unscaled);
}
