/** An Arrow IPC stream of a scan, batch by batch as it arrives: the inverse of `arrow-write.ts`. */

import type { ColumnType, Value } from '@tidemark/model/column-type';
import { Fault } from '@tidemark/platform/fault';
import { type Column, type DataType, type Table, Type, tableFromIPC } from '@uwdata/flechette';
import { ARROW_END, arrowMessageBytes } from './arrow-write.ts';

/** One column's cells, as values of its type; timestamps as bigints of µs, as they come. */
export type ArrowCells = { readonly type: ColumnType; readonly values: readonly (Value | null)[] };
/** One record batch: cells by column name, each column of `rowCount` cells. */
export type ArrowBatch = { readonly rowCount: number; readonly columns: ReadonlyMap<string, ArrowCells> };

/** A message beyond this is none of ours. */
const MESSAGE_BYTES_MAX = 1024 * 1024 * 1024;

const OPTIONS = { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true, useDate: false };

/**
 * @yields at first a batch of no rows, which names the columns
 * @throws {Fault} `unknown`: the stream stopped before its end mark.
 */
export async function* readArrow(chunks: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<ArrowBatch> {
  let schema: Buffer | null = null;
  for await (const message of messagesOf(chunks, what)) {
    if (message.length === ARROW_END.length) return;
    if (schema === null) {
      schema = message;
      yield batchOf(tableFromIPC(Buffer.concat([schema, ARROW_END]), OPTIONS));
    } else {
      yield batchOf(tableFromIPC(aligned([schema, message, ARROW_END]), OPTIONS));
    }
  }
  throw new Fault('unknown', `${what}: the answer stopped before its end`);
}

async function* messagesOf(chunks: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let neededBytes: number | null = null;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    while (waitingBytes >= (neededBytes ?? ARROW_END.length)) {
      const bytes: Buffer = Buffer.concat(waiting);
      waiting = [bytes];
      neededBytes ??= arrowMessageBytes(bytes, 0);
      if (neededBytes !== null && neededBytes > MESSAGE_BYTES_MAX) {
        throw new Fault('corrupt', `${what}: an Arrow message of ${neededBytes} bytes`, { got: neededBytes });
      }
      if (neededBytes === null || bytes.length < neededBytes) break;
      yield bytes.subarray(0, neededBytes);
      waiting = [bytes.subarray(neededBytes)];
      waitingBytes = bytes.length - neededBytes;
      neededBytes = null;
    }
  }
}

/** In memory of their own: typed arrays over a batch want it even. */
function aligned(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function batchOf(table: Table): ArrowBatch {
  const columns = table.names.map((name, i): [string, ArrowCells] => {
    const column: Column<unknown> = table.getChildAt(i);
    const type = typeOf(column.type);
    const values = Array.from(column, (cell) =>
      cell === null || type.name !== 'date' ? cell : daysOf(cell as number),
    );
    return [String(name), { type, values: values as (Value | null)[] }];
  });
  return { rowCount: table.numRows, columns: new Map(columns) };
}

const DAY_MS = 86_400_000;

function daysOf(ms: number): number {
  return ms / DAY_MS;
}

/** Ours of Arrow's; a scan has no others. */
function typeOf(type: DataType): ColumnType {
  switch (type.typeId) {
    case Type.Bool:
      return { name: 'boolean' };
    case Type.Int:
      return { name: type.bitWidth === 64 ? 'long' : 'int' };
    case Type.Float:
      return { name: 'double' };
    case Type.Utf8:
      return { name: 'string' };
    case Type.Binary:
      return { name: 'bytes' };
    case Type.Timestamp:
      return { name: 'timestamp' };
    case Type.Date:
      return { name: 'date' };
    case Type.Decimal:
      return { name: 'decimal', precision: type.precision, scale: type.scale };
    default:
      throw new Fault('corrupt', `an Arrow column of type number ${type.typeId}`, { got: type.typeId });
  }
}
