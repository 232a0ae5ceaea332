/** What is asked of a site for many keyspaces goes as few questions. */

import { TOGETHER_MAX } from './shapes.ts';
import type { Told } from './told.ts';

type Answers<T> = { readonly answers: Readonly<Record<string, T>> };

/** By keyspace what was told; of those that are left out nothing was, or not in time. */
export async function askTogether<T>(
  keyspaces: readonly string[],
  ask: (some: readonly string[]) => Promise<Told<Answers<T>>>,
): Promise<ReadonlyMap<string, T>> {
  const count = Math.ceil(keyspaces.length / TOGETHER_MAX);
  const parts = Array.from({ length: count }, (_, i) => keyspaces.slice(i * TOGETHER_MAX, (i + 1) * TOGETHER_MAX));
  const told = await Promise.all(parts.map(ask));
  return new Map(told.flatMap(({ answer }) => Object.entries(answer?.answers ?? {})));
}
