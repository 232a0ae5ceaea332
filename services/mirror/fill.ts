/** Copies up to the epoch end of a closed term, from whichever site has it: the origin may be gone, or not have all of it. */

import type { EpochEndAt } from '@tidemark/control/consensus/register-value';
import type { Position } from '@tidemark/model/position';
import type { Clock } from '@tidemark/platform/clock';
import type { Replicator } from './replicator.ts';
import type { Source } from './source.ts';

/** A source that gives nothing new for this long is left for the next one. */
const QUIET_MS = 1_000;
const LOOK_MS = 20;

type FillParts = {
  /** By partition. */
  readonly replicators: readonly Replicator[];
  readonly clock: Clock;
  /** True when the partition is stored here up to the position. */
  readonly holds: (partition: number, at: Position) => boolean;
  readonly signal: AbortSignal;
};

/** One partition and how far it is to be filled, until when on the monotonic clock. */
type Goal = { readonly partition: number; readonly at: Position; readonly deadlineMs: number };

/** Asks the sources in their order, again and again, until each partition holds its epoch end or `timeoutMs` are over. */
export async function fillUpTo(
  parts: FillParts,
  epoch: number,
  epochEnds: readonly EpochEndAt[],
  sources: readonly Source[],
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = parts.clock.monotonicMs() + timeoutMs;
  const goals = epochEnds.map(({ seq }, partition) => ({ partition, at: { epoch, seq }, deadlineMs }));
  await Promise.all(goals.map((goal) => fillPartition(parts, goal, sources)));
}

async function fillPartition(parts: FillParts, goal: Goal, sources: readonly Source[]): Promise<void> {
  const replicator = parts.replicators[goal.partition]!;
  try {
    for (let i = 0; !isOver(parts, goal) && sources.length > 0; i++) {
      replicator.readFrom(sources[i % sources.length]!);
      // Finding the place may take longer than this: who never waits long enough never reads anything from anybody.
      const quietMsMax = QUIET_MS * 2 ** Math.floor(i / sources.length);
      await whileItMoves(parts, goal, replicator, quietMsMax);
    }
  } finally {
    replicator.readFrom(null);
  }
}

function isOver({ holds, clock, signal }: FillParts, { partition, at, deadlineMs }: Goal): boolean {
  return signal.aborted || holds(partition, at) || clock.monotonicMs() >= deadlineMs;
}

async function whileItMoves(parts: FillParts, goal: Goal, replicator: Replicator, quietMsMax: number): Promise<void> {
  const { clock, signal } = parts;
  let copied = replicator.counts.copied;
  let movedMs = clock.monotonicMs();
  while (!isOver(parts, goal) && clock.monotonicMs() - movedMs < quietMsMax) {
    await clock.sleep(LOOK_MS, signal);
    if (replicator.counts.copied === copied) continue;
    copied = replicator.counts.copied;
    movedMs = clock.monotonicMs();
  }
}
