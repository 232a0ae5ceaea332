/**
 * What a site that leads cannot read of its own log, though it is known to be there. While it leads the log is left as it is, as
 * what was acked may be told by its word; once another site does, it is filled from the others'.
 */

import type { Position } from '@tidemark/model/position';

/** In words: a partition of a topic, and beyond what it cannot be read. */
export function unreadableWords(topic: string, partition: number, { epoch, seq }: Position): string {
  return `${topic}/${partition}: what is stored cannot be read beyond ${epoch}:${seq}`;
}

/** The partitions of one log that wait for another site to lead. */
export class Unreadable {
  readonly #topic: string;
  readonly #others: readonly string[];
  readonly #waiting = new Map<number, Position>();

  /** @param others the sites that may lead in this one's place */
  constructor(topic: string, others: readonly string[]) {
    this.#topic = topic;
    this.#others = others;
  }

  /** @returns whether the partition did not wait before */
  add(partition: number, at: Position): boolean {
    const isNew = !this.#waiting.has(partition);
    this.#waiting.set(partition, at);
    return isNew;
  }

  /** Gives what waits, which does so no more. */
  take(): readonly (readonly [partition: number, at: Position])[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }

  /** Each partition in words, with what helps, those that wait for longest first. */
  get words(): string[] {
    const to = this.#others.join(' or ');
    const remedy =
      this.#others.length === 0
        ? 'no other site has it'
        : `it is filled from the others once another one leads: tidemark switchover --to ${to}, whichever counts`;
    return this.#plain.map((what) => `${what}: ${remedy}`);
  }

  /** Why another site should lead; null: no need, or there is none. */
  get mustMove(): string | null {
    return this.#others.length === 0 ? null : (this.#plain[0] ?? null);
  }

  get #plain(): string[] {
    return [...this.#waiting].map(([partition, at]) => unreadableWords(this.#topic, partition, at));
  }
}
