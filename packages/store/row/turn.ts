/**
 * Turns of long work on this thread. Of all that wait, one goes on between two looks at what came in: so however many
 * scans there are, nobody else waits for more than one slice of one of them.
 */

/** Rows that are looked at between two turns, where one costs what a comparison does: a millisecond or two of work. */
const TURN_ROWS = 65_536;

const waiting: (() => void)[] = [];

/** Resolves in a turn of the event loop in which nobody else's does. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(letOneGo);
  });
}

/**
 * Somebody has connected. The loop takes in one connection each time round, and a probe comes on one of its own: so long as
 * somebody comes, readers stand aside, or a few hundred connections would each wait for a slice of a scan.
 */
export function standAside(): void {
  hasArrived = true;
}

/** Times round in which readers stand aside at most before one of them goes on all the same. */
export const ASIDE_MAX = 64;
let hasArrived = false;
let stoodAside = 0;

function letOneGo(): void {
  if (hasArrived && stoodAside < ASIDE_MAX) {
    hasArrived = false;
    stoodAside++;
    setImmediate(letOneGo);
    return;
  }
  stoodAside = 0;
  waiting[0]!();
  waiting.shift();
  if (waiting.length > 0) setImmediate(letOneGo);
}

/** Lets others have their turn every few milliseconds, judged by the work that was done. */
export class Turn {
  #rows = 0;

  /** @param rows that were looked at, times what each costs */
  pass(rows: number): Promise<void> | void {
    this.#rows += rows;
    if (this.#rows < TURN_ROWS) return;
    this.#rows = 0;
    return nextTurn();
  }
}
