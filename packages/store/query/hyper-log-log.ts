/**
 * About how many different values a group has, in 4 KiB a group: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) of
 * 4,096 registers, so off by 1.6 % in two thirds of all cases. The same values give the same count in any order.
 */

import type { Value } from '@tidemark/model/column-type';
import { xxh32 } from '@tidemark/model/hash';
import { type Chunk, hasValue, rawOfChunk } from '../encoding/chunk.ts';
import { hashRange } from '../row/bytes.ts';
import type { Turn } from '../row/turn.ts';
import type { Aggregate, GroupNumbers } from './aggregate.ts';
import { BYTES_BYTES } from './scan-budget.ts';

const REGISTER_BITS = 12;
const REGISTERS = 2 ** REGISTER_BITS;
const ALPHA = 0.7213 / (1 + 1.079 / REGISTERS);

/** One sketch for each group, made with its first value. */
export class HyperLogLog implements Aggregate {
  readonly rowCost = 16;
  /** Its registers are made. */
  readonly groupCost = REGISTERS / 16;
  heldBytes = 0;
  readonly #registers: (Uint8Array | undefined)[] = [];
  readonly #number = Buffer.alloc(8);

  add(rows: Uint32Array, groups: GroupNumbers, column: Chunk | undefined): void {
    if (column === undefined) return;
    for (let i = 0; i < rows.length; i++) {
      if (!hasValue(column, rows[i]!)) continue;
      const group = typeof groups === 'number' ? groups : groups[i]!;
      this.#take(this.#registers[group] ?? this.#begin(group), this.#bytesOf(column, rows[i]!));
    }
  }

  #begin(group: number): Uint8Array {
    const registers = new Uint8Array(REGISTERS);
    this.#registers[group] = registers;
    this.heldBytes += REGISTERS + BYTES_BYTES;
    return registers;
  }

  /** Every register is looked at: `result` does it. */
  settle(_group: number, turn: Turn): Promise<void> | void {
    return turn.pass(REGISTERS);
  }

  result(group: number): Value {
    const registers = this.#registers[group];
    if (registers === undefined) return 0n;
    let sum = 0;
    let empty = 0;
    for (const rank of registers) {
      sum += 2 ** -rank;
      if (rank === 0) empty++;
    }
    const estimate = (ALPHA * REGISTERS * REGISTERS) / sum;
    // Few values: how many registers are still empty tells more.
    if (estimate <= 2.5 * REGISTERS && empty > 0) return BigInt(Math.round(REGISTERS * Math.log(REGISTERS / empty)));
    return BigInt(Math.round(estimate));
  }

  /** Two hashes of 32 bits: one chooses the register, the other says how rare the value is. */
  #take(registers: Uint8Array, bytes: Uint8Array): void {
    const register = xxh32(bytes, 0, bytes.length) >>> (32 - REGISTER_BITS);
    const rank = Math.clz32(hashRange(bytes, 0, bytes.length)) + 1;
    if (rank > registers[register]!) registers[register] = rank;
  }

  /** The same for equal values, however blocks hold them. */
  #bytesOf(column: Chunk, row: number): Uint8Array {
    const raw = rawOfChunk(column, row);
    if (typeof raw === 'object') return raw;
    if (typeof raw === 'bigint' || (column.kind === 'i32' && Number.isInteger(raw)))
      this.#number.writeBigInt64LE(BigInt(raw));
    else this.#number.writeDoubleLE(raw === 0 ? 0 : raw);
    return this.#number;
  }
}
