/** Every case there is, and how one is run. */

import { run } from '../run.ts';
import { storyOf } from '../story.ts';
import type { Case } from './case.ts';
import { DRAWN } from './drawn.ts';
import { EMPTY_REGISTERS } from './empty-register.ts';
import { OLD_COPIES } from './old-copies.ts';
import { PLAYED } from './played.ts';

export const CASES: readonly Case[] = [...DRAWN, ...PLAYED, ...OLD_COPIES, ...EMPTY_REGISTERS];

const STORY_LINES = 25;

/** @returns null when all is right; else what is wrong, in words */
export async function runCase(one: Case): Promise<string | null> {
  if ('play' in one) {
    return one.play().then(
      () => null,
      (error: unknown) => String(error),
    );
  }
  const { violation, lines } = await run(one.scenario);
  return violation === null ? null : storyOf(one.scenario, violation, lines.slice(-STORY_LINES));
}
