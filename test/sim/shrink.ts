/** Makes a failing scenario smaller for as long as it goes on breaking the same promise. */

import { type Outcome, run } from './run.ts';
import type { Scenario } from './scenario.ts';

const RUNS_MAX = 60;

export type Shrunk = { readonly scenario: Scenario; readonly outcome: Outcome };

/** @returns the smallest scenario found, and its run; the given one when nothing smaller fails alike */
export async function shrink(given: Scenario, failed: Outcome): Promise<Shrunk> {
  let best: Shrunk = { scenario: given, outcome: failed };
  let runs = 0;
  for (let smaller = true; smaller; ) {
    smaller = false;
    for (const scenario of smallerThan(best)) {
      if (runs++ >= RUNS_MAX) return best;
      const outcome = await run(scenario);
      if (outcome.violation?.rule !== failed.violation?.rule) continue;
      best = { scenario, outcome };
      smaller = true;
      break;
    }
  }
  return best;
}

/** Boldest first. */
function* smallerThan({ scenario, outcome }: Shrunk): Generator<Scenario> {
  const { faults, clients, durationMs } = scenario;
  for (let i = 0; i < faults.length; i++) yield { ...scenario, faults: faults.toSpliced(i, 1) };
  for (let i = 0; i < clients.length && clients.length > 1; i++)
    yield { ...scenario, clients: clients.toSpliced(i, 1) };
  const neededMs = Math.ceil(outcome.violation!.atMs);
  for (const shorterMs of [neededMs, Math.floor(durationMs / 2)])
    if (shorterMs < durationMs * 0.9) yield { ...scenario, durationMs: shorterMs };
  for (const [i, fault] of faults.entries())
    if (fault.forMs > 400) yield { ...scenario, faults: faults.with(i, { ...fault, forMs: fault.forMs >> 1 }) };
}
