/** What happens when nothing is wrong but the primary's clock: it may not stamp, so another site has to write. */

import type { Registers } from '../check/registers.ts';
import type { SimWorld } from '../world.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** In one of so many runs. */
const EVERY = 3;
const STEPS = [-MINUTE_MS, MINUTE_MS, -HOUR_MS, HOUR_MS] as const;

/**
 * Steps the clock of whoever writes, until somebody else does, and sets it right again.
 * @param isWritten whether a write is acked now
 * @returns false: writes did not go on
 */
export async function writesGoOn(
  world: SimWorld,
  seed: number,
  registers: Registers,
  isWritten: () => Promise<boolean>,
  until: (holds: () => Promise<boolean>) => Promise<boolean>,
): Promise<boolean> {
  const primary = (): string => registers.newest!.terms.at(-1)!.site;
  if (seed % EVERY !== 0) return true;
  const site = world.site(primary());
  const wrongMs = STEPS[(seed / EVERY) % STEPS.length]!;
  site.wrongMs = () => wrongMs;
  site.isClockWrong = true;
  // What operators keep from moving does not, and what they asked for may still be on its way.
  const isKept = (): boolean => registers.newest!.paused;
  const goOn = await until(async () => isKept() || (primary() !== site.name && (await isWritten())));
  site.wrongMs = () => 0;
  site.isClockWrong = false;
  return goOn;
}
