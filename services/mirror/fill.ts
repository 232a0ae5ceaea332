/** Copies up to the cut of a closed reign, from whichever site has it: the origin may be gone, or not have all of it. */

import type { CutAt } from '@tidemark/control/consensus/register-value';
import type { Position } from '@tidemark/model/position';
import type { Clock } from '@tidemark/platform/clock';
import type { Copier, Source } from './replicator.ts';

/** A source that gives nothing new for this long is left for the next one. */
const QUIET_MS = 1_000;
const LOOK_MS = 20;

export type FillParts = {
  /** By partition. */
  readonly copiers: readonly Copier[];
  readonly clock: Clock;
  /** True when the partition is stored here up to the position. */
  readonly holds: (partition: number, at: Position) => boolean;
  readonly signal: AbortSignal;
};

/** One partition and how far it is to be filled, until when on the monotonic clock. */
type Goal = { readonly partition: number; readonly at: Position; readonly deadlineMs: number };

/** Asks the sources in their order, again and again, until each partition holds its cut or `timeoutMs` are over. */
export async function fillUpTo(
  parts: FillParts,
  epoch: number,
  cuts: readonly CutAt[],
  sources: readonly Source[],
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = parts.clock.monotonicMs() + timeoutMs;
  const goals = cuts.map(({ seq }, partition) => ({ partition, at: { epoch, seq }, deadlineMs }));
  await Promise.all(goals.map((goal) => fillPartition(parts, goal, sources)));
}

async function fillPartition(parts: FillParts, goal: Goal, sources: readonly Source[]): Promise<void> {
  const copier = parts.copiers[goal.partition]!;
  try {
    for (let i = 0; !isOver(parts, goal) && sources.length > 0; i++) {
      copier.readFrom(sources[i % sources.length]!);
      await whileItMoves(parts, goal, copier);
    }
  } finally {
    copier.readFrom(null);
  }
}

function isOver({ holds, clock, signal }: FillParts, { partition, at, deadlineMs }: Goal): boolean {
  return signal.aborted || holds(partition, at) || clock.monotonicMs() >= deadlineMs;
}

async function whileItMoves(parts: FillParts, goal: Goal, copier: Copier): Promise<void> {
  const { clock, signal } = parts;
  let copied = copier.counts.copied;
  let movedMs = clock.monotonicMs();
  while (!isOver(parts, goal) && clock.monotonicMs() - movedMs < QUIET_MS) {
    await clock.sleep(LOOK_MS, signal);
    if (copier.counts.copied === copied) continue;
    copied = copier.counts.copied;
    movedMs = clock.monotonicMs();
  }
}
