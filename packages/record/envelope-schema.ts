/** The Avro schema of a record. What the fields mean is said at the types of `envelope.ts`. */

/** Of the running hash over a partition's records, at the end of each. */
export const CHAIN_BYTES = 16;
/** Length of a record's checksum, its last bytes. */
export const CHECKSUM_BYTES = 4;

/** Its canonical text is what `tidemark schema envelope` prints. */
export const ENVELOPE_SCHEMA = {
  type: 'record',
  name: 'Record',
  namespace: 'tidemark.v1',
  fields: [
    { name: 'cluster', type: 'string' },
    { name: 'keyspace', type: 'string' },
    { name: 'origin', type: 'string' },
    { name: 'epoch', type: 'long' },
    { name: 'partition', type: 'int' },
    { name: 'seq', type: 'long' },
    { name: 'stampMs', type: 'long' },
    { name: 'stampCounter', type: 'int' },
    { name: 'writer', type: 'int' },
    { name: 'committed', type: 'long' },
    {
      name: 'body',
      type: [
        { type: 'record', name: 'Genesis', fields: [{ name: 'logId', type: 'string' }] },
        {
          type: 'record',
          name: 'Fence',
          fields: [
            { name: 'closes', type: 'long' },
            { name: 'by', type: 'long' },
            { name: 'nonce', type: 'string' },
          ],
        },
        {
          type: 'record',
          name: 'EpochStart',
          fields: [
            { name: 'writerId', type: 'string' },
            { name: 'previousOrigin', type: 'string' },
            { name: 'previousEpoch', type: 'long' },
            { name: 'endSeq', type: 'long' },
            { name: 'endChain', type: { type: 'fixed', name: 'Chain', size: CHAIN_BYTES } },
            { name: 'ownEpoch', type: 'long' },
            { name: 'ownEndSeq', type: 'long' },
            { name: 'ownEndChain', type: 'Chain' },
          ],
        },
        {
          type: 'record',
          name: 'Mutate',
          fields: [
            { name: 'table', type: 'int' },
            { name: 'schemaVersion', type: 'int' },
            { name: 'requestId', type: 'string' },
            {
              name: 'request',
              type: [
                'null',
                {
                  type: 'record',
                  name: 'Request',
                  fields: [
                    { name: 'verb', type: 'string' },
                    { name: 'batchRows', type: 'int' },
                    { name: 'rows', type: 'int' },
                    { name: 'hash', type: 'bytes' },
                  ],
                },
              ],
            },
            {
              name: 'source',
              type: [
                'null',
                {
                  type: 'record',
                  name: 'IngestSource',
                  fields: [
                    { name: 'topic', type: 'string' },
                    { name: 'partition', type: 'int' },
                    { name: 'first', type: 'long' },
                    { name: 'last', type: 'long' },
                  ],
                },
              ],
            },
            { name: 'rowCount', type: 'int' },
            { name: 'keys', type: 'bytes' },
            { name: 'flags', type: 'bytes' },
            { name: 'stampOffsets', type: 'bytes' },
            {
              name: 'columns',
              type: {
                type: 'array',
                items: {
                  type: 'record',
                  name: 'Cells',
                  fields: [
                    { name: 'column', type: 'int' },
                    { name: 'cells', type: 'bytes' },
                  ],
                },
              },
            },
          ],
        },
        {
          type: 'record',
          name: 'Schema',
          fields: [
            { name: 'version', type: 'int' },
            { name: 'keyspace', type: 'string' },
          ],
        },
        { type: 'record', name: 'Noop', fields: [] },
        {
          type: 'record',
          name: 'Barrier',
          fields: [
            { name: 'heads', type: { type: 'array', items: 'long' } },
            { name: 'rows', type: { type: 'array', items: 'long' } },
            { name: 'committed', type: { type: 'array', items: 'long' } },
          ],
        },
      ],
    },
    { name: 'chain', type: 'Chain' },
    { name: 'checksum', type: { type: 'fixed', name: 'Checksum', size: CHECKSUM_BYTES } },
  ],
} as const;
