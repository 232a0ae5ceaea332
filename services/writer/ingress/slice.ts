/** A piece of a batch as it goes into one partition's line, and what was asked with the batch. */

import type { MutateBody } from '@tidemark/record/envelope';

/** A MUTATE that is ready for its partition's line. */
export type Slice = { readonly partition: number; readonly body: MutateBody; readonly bytes: number };

/** `batchRows`: lines in each batch of a stream that is cut into batches; 0 where a request is one batch. */
export type Asked = { readonly verb: 'POST' | 'PATCH' | 'DELETE'; readonly batchRows: number };
