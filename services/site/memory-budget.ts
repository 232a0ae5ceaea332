/**
 * What a site's process may hold in memory at most, by what holds it: each part is refused, or waited for, beyond its bound. What is
 * over is taken for a leak: `/metrics` tells both.
 */

import { HELD_BYTES_MAX } from '@tidemark/applier/applier-service';
import type { Keyspace } from '@tidemark/model/table';
import { CACHE_BYTES_MAX } from '@tidemark/store/options';
import { SCANS_BYTES_MAX } from '@tidemark/store/query/scan-budget';
import type { Config } from './config/config.ts';
import { CLIENT_LIMITS, PEER_LIMITS } from './http/connections.ts';

const MIB = 1024 * 1024;
/** Code, threads for merges, and what a site without rows needs. */
const PROGRAM_BYTES = 256 * MIB;

/** Bytes by what holds them. Their sum is the budget of the process's resident memory. */
export function memoryBudget(
  { memtableBytesMax, pendingBytesMax }: Pick<Config, 'memtableBytesMax' | 'pendingBytesMax'>,
  keyspaces: readonly Pick<Keyspace, 'sites' | 'partitions'>[],
): Readonly<Record<string, number>> {
  const logs = keyspaces.reduce(
    (sum, { sites, partitions }) => sum + sites.filter(({ role }) => role === 'data').length * partitions,
    0,
  );
  return {
    program: PROGRAM_BYTES,
    blocks: CACHE_BYTES_MAX,
    bodies: CLIENT_LIMITS.bodiesBytesMax + PEER_LIMITS.bodiesBytesMax,
    answers: CLIENT_LIMITS.answersBytesMax + PEER_LIMITS.answersBytesMax,
    memtables: keyspaces.length * memtableBytesMax,
    pending: keyspaces.length * pendingBytesMax,
    uncommitted: logs * HELD_BYTES_MAX,
    scans: SCANS_BYTES_MAX,
    // Nothing else leaves so much behind at a time, and V8 collects before as much again is left as is held.
    garbage: SCANS_BYTES_MAX,
  };
}
