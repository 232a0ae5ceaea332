/** Parts of blocks that were read for one reader, who keeps them until it has answered: a cache need not keep any. */

import type { HeldFile } from './held-file.ts';
import type { Part } from './stored-block.ts';

/** By file and block; null for a block in which no row has a cell. */
export class KeptParts {
  readonly #byFile = new Map<HeldFile<Part>, Map<number, (Part | null)[]>>();

  /** What has that row; undefined when nothing does. */
  get<T extends Part>(file: HeldFile<T>, block: number, row: number): T | null | undefined {
    const parts = this.#byFile.get(file as unknown as HeldFile<Part>)?.get(block);
    return parts?.find((part) => part === null || hasRow(part, row)) as T | null | undefined;
  }

  add<T extends Part>(file: HeldFile<T>, block: number, read: T | null): void {
    const key = file as unknown as HeldFile<Part>;
    const blocks = this.#byFile.get(key) ?? new Map<number, (Part | null)[]>();
    const parts = blocks.get(block) ?? [];
    parts.push(read);
    this.#byFile.set(key, blocks.set(block, parts));
  }
}

function hasRow({ firstRow, rowCount }: Part, row: number): boolean {
  return row >= firstRow && row < firstRow + rowCount;
}
