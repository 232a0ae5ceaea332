/** One step of one process, or one fault. */

import type { State } from './state.ts';

/** A state that can follow, and how it came about: for people. `broken`: an invariant of the step itself. */
export type Move = { readonly words: string; readonly next: State; readonly broken?: string };

/** The state with an append under way. */
export function sent(s: State, topic: number, character: string): State {
  return { ...s, flying: [...s.flying, String.fromCharCode(0x30 + topic) + character].sort() };
}
