/** The memory that the services of a process share, within what its plan gives each part, and what of it is held now. */

import type { ApplierMemory } from '@tidemark/applier/applier';
import { ROOM_FACTOR } from '@tidemark/applier/keyspace/flusher';
import { SharedMemory } from '@tidemark/platform/shared-memory';
import { bufferPool } from '@tidemark/store/memtable/buffer-pool';
import { DEFAULTS } from '@tidemark/store/options';
import { limitScans, scansHold } from '@tidemark/store/query/scan-budget';
import type { MemoryPlan } from './config/memory-plan.ts';

/** What parts of the plan hold that are counted. */
type Counted = Pick<MemoryPlan, 'blocks' | 'memtables' | 'spare' | 'pending' | 'uncommitted' | 'scans'>;

/** Shared by all keyspaces of one site; blocks and scans are one process's, however many sites a test runs in it. */
export class SiteMemory implements ApplierMemory {
  readonly memtables: SharedMemory;
  readonly pending: SharedMemory;
  readonly uncommitted: SharedMemory;

  constructor({ blocks, memtables, spare, pending, uncommitted, scans }: MemoryPlan) {
    this.memtables = new SharedMemory(memtables / ROOM_FACTOR);
    this.pending = new SharedMemory(pending);
    this.uncommitted = new SharedMemory(uncommitted);
    DEFAULTS.cache.limit(blocks);
    bufferPool.limit(spare);
    limitScans(scans);
  }

  held(): Counted {
    return {
      blocks: DEFAULTS.cache.memoryBytes,
      memtables: this.memtables.bytes,
      spare: bufferPool.memoryBytes,
      pending: this.pending.bytes,
      uncommitted: this.uncommitted.bytes,
      scans: scansHold(),
    };
  }
}
