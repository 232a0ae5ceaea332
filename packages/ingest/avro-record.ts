/**
 * A reader for the records of an Avro schema that somebody else wrote: a record of scalars, nullable ones, and where it
 * is asked for, maps of them. Nothing nests deeper, so no bytes can make reading long or deep.
 *
 * Raw values: null, boolean, bigint (int, long), number (float, double), string (also enum), bytes (also fixed).
 */

import { Fault, messageOf } from '@tidemark/platform/fault';
import type { AvroCursor } from '@tidemark/record/avro-cursor';
import avro from 'avsc';

/** A value as it is read, before its logical type is looked at. */
export type AvroScalar = null | boolean | bigint | number | string | Uint8Array;
/** A record's values by field; a field that is a map has them by key. */
export type AvroFields = { [field: string]: AvroScalar | { [key: string]: AvroScalar } };

/** What a logical type makes of the raw value; undefined leaves it as it is. */
export type Convert = (raw: AvroScalar) => AvroScalar;
/** Says what becomes of a field's logical type. @throws {Fault} `invalid`: nothing can. */
export type LogicalConvert = (field: string, logical: Logical) => Convert | undefined;
/** A field's logical type as the schema names it; `precision` and `scale` are a decimal's. */
export type Logical = { readonly name: string; readonly precision?: number; readonly scale?: number };

/** Reads records of one schema, which was checked when this was made. */
export type RecordReader = {
  /** The record's name without namespace, and with it. */
  readonly name: string;
  readonly fullName: string;
  /** The schema as it was written, attributes and all. */
  readonly schema: { readonly [attribute: string]: unknown };
  /** Field name → the column it means: its attribute `column`, else its own name. */
  read(cursor: AvroCursor): AvroFields;
};

type Node = { readonly [attribute: string]: unknown };
type Read = (cursor: AvroCursor) => AvroScalar;
type FieldRead = (cursor: AvroCursor) => AvroScalar | { [key: string]: AvroScalar };
type Scope = { readonly names: Map<string, Read>; readonly namespace: string };

/**
 * Compiles a schema.
 * @param maps the fields that may be maps
 * @throws {Fault} `invalid`: not an Avro schema, or not of the shape above; names the field
 */
export function compileRecord(schema: object, maps: readonly string[], convert: LogicalConvert): RecordReader {
  checkSchema(schema);
  const node = schema as Node;
  if (node.type !== 'record') throw unreadable('the schema', `of type ${nameOf(schema)}`, 'a record');
  const fullName = qualified(node, '');
  const namespace = fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')));
  const scope: Scope = { names: new Map(), namespace };
  const fields = (node.fields as Node[]).map((field): [string, FieldRead] => {
    const name = String(field.name);
    return [String(field.column ?? name), fieldReader(name, field.type, scope, maps, convert)];
  });
  return {
    name: fullName.slice(fullName.lastIndexOf('.') + 1),
    fullName,
    schema: node,
    read(cursor) {
      const values: AvroFields = Object.create(null) as AvroFields;
      for (const [name, read] of fields) values[name] = read(cursor);
      return values;
    },
  };
}

function checkSchema(schema: object): void {
  try {
    avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true });
  } catch (error) {
    throw new Fault('invalid', `not an Avro schema: ${messageOf(error)}`, { cause: error });
  }
}

function fieldReader(
  field: string,
  schema: unknown,
  scope: Scope,
  maps: readonly string[],
  convert: LogicalConvert,
): FieldRead {
  if (nameOf(schema) !== 'map' || !maps.includes(field)) return scalar(field, schema, scope, convert);
  const value = scalar(field, (schema as Node).values, scope, convert);
  return (cursor) => {
    const entries = Object.create(null) as { [key: string]: AvroScalar };
    for (let count = cursor.readBlock(); count > 0; count = cursor.readBlock()) {
      for (let i = 0; i < count; i++) entries[cursor.readString()] = value(cursor);
    }
    return entries;
  };
}

function scalar(field: string, schema: unknown, scope: Scope, convert: LogicalConvert): Read {
  if (Array.isArray(schema)) {
    const branches = schema.map((branch) => scalar(field, branch, scope, convert));
    return (cursor) => branches[cursor.readIndex(branches.length, 'union branch')]!(cursor);
  }
  if (typeof schema === 'object' && schema !== null && typeof (schema as Node).type === 'object') {
    return scalar(field, (schema as Node).type, scope, convert);
  }
  const node = (typeof schema === 'string' ? { type: schema } : schema) as Node;
  const read = plain(field, node, scope);
  const change = typeof node.logicalType === 'string' ? convert(field, logicalOf(node)) : undefined;
  return change === undefined ? read : (cursor) => change(read(cursor));
}

function logicalOf(node: Node): Logical {
  const { logicalType, precision, scale } = node;
  if (logicalType !== 'decimal') return { name: String(logicalType) };
  return { name: 'decimal', precision: Number(precision), scale: Number(scale ?? 0) };
}

function plain(field: string, node: Node, scope: Scope): Read {
  switch (node.type) {
    case 'null':
      return () => null;
    case 'boolean':
      return (cursor) => cursor.readBoolean();
    case 'int':
      return (cursor) => cursor.readInt();
    case 'long':
      return (cursor) => cursor.readLong();
    case 'float':
      return (cursor) => cursor.readFloat();
    case 'double':
      return (cursor) => cursor.readDouble();
    case 'string':
      return (cursor) => cursor.readString();
    case 'bytes':
      return (cursor) => cursor.readBytes();
    case 'enum': {
      const symbols = node.symbols as string[];
      return named(node, scope, (cursor) => symbols[cursor.readIndex(symbols.length, 'symbol')]!);
    }
    case 'fixed': {
      const size = Number(node.size);
      return named(node, scope, (cursor) => cursor.readFixed(size));
    }
    default: {
      const known = scope.names.get(qualified({ name: node.type }, scope.namespace));
      if (known !== undefined) return known;
      throw unreadable(`field ${field}`, `of type ${nameOf(node)}`, 'a value that a column can hold');
    }
  }
}

/** Remembers an enum or a fixed, so that a later field can use it by name. */
function named(node: Node, scope: Scope, read: Read): Read {
  scope.names.set(qualified(node, scope.namespace), read);
  return read;
}

function qualified(node: Node, enclosing: string): string {
  const name = String(node.name);
  const namespace = typeof node.namespace === 'string' ? node.namespace : enclosing;
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

function nameOf(schema: unknown): string {
  if (Array.isArray(schema)) return 'union';
  const type = typeof schema === 'object' && schema !== null ? (schema as Node).type : schema;
  return typeof type === 'string' ? type : nameOf(type);
}

function unreadable(what: string, got: string, expected: string): Fault {
  return new Fault('invalid', `${what} is ${got}, expected ${expected}`, { got, expected });
}
