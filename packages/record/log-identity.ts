/**
 * Identities of topics. A topic gets a new one, written into it as a second GENESIS, when it was found to have lost its
 * end: what stands in it is still a prefix of the right sequence, but what was promised under the old identity is void.
 */

const GENERATION = /~(\d+)$/;

/** `9f3a…` → `9f3a…~1` → `9f3a…~2`. */
export function successorOf(logId: string): string {
  return `${rootOf(logId)}~${generationOf(logId) + 1}`;
}

/** True when `later` is the same topic as `earlier`, after it lost its end at least once more. */
export function isSuccessor(earlier: string, later: string): boolean {
  return rootOf(earlier) === rootOf(later) && generationOf(later) > generationOf(earlier);
}

/** What a topic keeps through all its identities; another one is another topic. */
export function rootOf(logId: string): string {
  return logId.replace(GENERATION, '');
}

function generationOf(logId: string): number {
  return Number(GENERATION.exec(logId)?.[1] ?? 0);
}
