/** Where a load's rows come from: lines of JSON in an order that is the same every time, and batches of them. */

/** Rows of a file, as one JSON object a line. Reading it again gives the same rows in the same order. */
export type RowSource = {
  /** What it is, for messages and for the ledger: a load resumes only from a source of the same name. */
  readonly name: string;
  /** Blocks of lines without their line ends, from the row after the first `skipRows`; holds a few blocks at a time. */
  lines(skipRows: number): AsyncIterable<readonly string[]>;
};

/** Consecutive rows that are sent and acked together. */
export type SourceBatch = {
  /** Counted from 0. */
  readonly batch: number;
  /** Counted from 1 in the source. */
  readonly firstRow: number;
  readonly lines: readonly string[];
};

type BatchRange = {
  readonly batchRows: number;
  /** Batches before this one are not read. */
  readonly fromBatch?: number;
  /** Rows of the source in all, those before `fromBatch` included. */
  readonly rowLimit?: number;
};

/**
 * Cuts a source into batches. Batch n holds rows n × batchRows + 1 …, wherever reading starts: the same batch always
 * holds the same rows, which is what makes sending it again harmless.
 */
export async function* sourceBatches(source: RowSource, range: BatchRange): AsyncGenerator<SourceBatch> {
  const { batchRows, fromBatch = 0, rowLimit = Number.POSITIVE_INFINITY } = range;
  let batch = fromBatch;
  let left = rowLimit - fromBatch * batchRows;
  let waiting: string[] = [];
  if (left <= 0) return;
  for await (const block of source.lines(fromBatch * batchRows)) {
    for (let at = 0; at < block.length && left > 0; ) {
      const taken = block.slice(at, at + Math.min(batchRows - waiting.length, left));
      waiting = waiting.length === 0 ? taken : waiting.concat(taken);
      at += taken.length;
      left -= taken.length;
      if (waiting.length < batchRows) continue;
      yield { batch, firstRow: batch * batchRows + 1, lines: waiting };
      batch++;
      waiting = [];
    }
    if (left <= 0) break;
  }
  if (waiting.length > 0) yield { batch, firstRow: batch * batchRows + 1, lines: waiting };
}

/** Rows that are at hand, for tests and small loads. */
export function linesSource(name: string, lines: readonly string[]): RowSource {
  return {
    name,
    async *lines(skipRows) {
      if (skipRows < lines.length) yield lines.slice(skipRows);
    },
  };
}
