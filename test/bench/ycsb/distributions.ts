/**
 * Which row is asked for next, as YCSB draws it (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010, §5.1).
 * Zipfian numbers come by the method of Gray et al., "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994.
 */

import type { Random } from '@tidemark/platform/random';

/** YCSB's constant: the larger, the more is asked of the few. */
const THETA = 0.99;
const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;

/** Gives a number from 0 up to `below`, which may be other at each draw but never less than it was at first. */
export type Draw = (below: number) => number;

/** Numbers from 0 up to `count`, the small ones far oftener. */
export function zipfian(count: number, random: Random): () => number {
  let zeta = 0;
  for (let i = 1; i <= count; i++) zeta += 1 / i ** THETA;
  const zeta2 = 1 + 0.5 ** THETA;
  const alpha = 1 / (1 - THETA);
  const eta = (1 - (2 / count) ** (1 - THETA)) / (1 - zeta2 / zeta);
  return () => {
    const u = random.fraction();
    if (u * zeta < 1) return 0;
    if (u * zeta < zeta2) return 1;
    return Math.min(count - 1, Math.floor(count * (eta * u - eta + 1) ** alpha));
  };
}

/** Zipfian, and what is asked for often lies anywhere. */
export function scrambled(count: number, random: Random): Draw {
  const draw = zipfian(count, random);
  return () => Number(fnv64(draw()) % BigInt(count));
}

/** Zipfian from the newest row back. */
export function latest(count: number, random: Random): Draw {
  const draw = zipfian(count, random);
  return (below) => below - 1 - draw();
}

/** FNV-1a of a number's eight bytes as YCSB takes it, without the sign of its 64 bits. */
export function fnv64(n: number): bigint {
  let hash = FNV_OFFSET;
  let rest = BigInt(n);
  for (let byte = 0; byte < 8; byte++) {
    hash = BigInt.asUintN(64, (hash ^ (rest & 0xffn)) * FNV_PRIME);
    rest >>= 8n;
  }
  const signed = BigInt.asIntN(64, hash);
  return signed < 0n ? -signed : signed;
}
