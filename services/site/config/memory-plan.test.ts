import { isFault } from '@tidemark/platform/fault';
import { describe, expect, it } from 'vitest';
import { type MemoryPlan, memoryPlan, parseMemory } from './memory-plan.ts';

const MIB = 1024 * 1024;
const DEFAULTS = { memtableBytesMax: 64 * MIB, pendingBytesMax: 64 * MIB };
const inMib = (plan: MemoryPlan) =>
  Object.fromEntries(Object.entries(plan).map(([of, bytes]) => [of, Math.round(bytes / MIB)]));

describe('a size', () => {
  it.each([
    ['512MB', 512e6],
    ['2 GB', 2e9],
    ['256MiB', 256 * MIB],
    ['4GiB', 4096 * MIB],
    ['512', null],
    ['512mb', null],
    ['-1MB', null],
    ['1.5GB', null],
    ['', null],
  ])('%s is %s bytes', (text, bytes) => {
    expect(parseMemory(text)).toBe(bytes);
  });
});

describe('the memory of a site', () => {
  it.each([
    [
      null,
      { program: 256, blocks: 256, memtables: 128, spare: 80, pending: 64, uncommitted: 256 },
      { clientBodies: 256, peerBodies: 64, clientAnswers: 256, peerAnswers: 64, scans: 768, garbage: 768 },
    ],
    [
      256e6,
      { program: 192, blocks: 11, memtables: 8, spare: 3, pending: 3, uncommitted: 3 },
      { clientBodies: 6, peerBodies: 2, clientAnswers: 4, peerAnswers: 2, scans: 5, garbage: 5 },
    ],
    [
      512e6,
      { program: 192, blocks: 65, memtables: 46, spare: 19, pending: 19, uncommitted: 19 },
      { clientBodies: 32, peerBodies: 9, clientAnswers: 23, peerAnswers: 9, scans: 28, garbage: 28 },
    ],
    [
      4e9,
      { program: 192, blocks: 792, memtables: 128, spare: 226, pending: 64, uncommitted: 226 },
      { clientBodies: 396, peerBodies: 113, clientAnswers: 283, peerAnswers: 113, scans: 340, garbage: 340 },
    ],
  ])('%s is divided', (memory, some, others) => {
    expect(inMib(memoryPlan({ ...DEFAULTS, memory }))).toEqual({ ...some, ...others });
  });

  it('is divided whole, never more', () => {
    for (let memory = 256e6; memory < 8e9; memory += 7_654_321) {
      const plan = memoryPlan({ memory, memtableBytesMax: 1e12, pendingBytesMax: 1e12 });
      expect(Object.values(plan).reduce((sum, bytes) => sum + bytes)).toBe(memory);
      expect(Math.min(...Object.values(plan))).toBeGreaterThan(0);
    }
  });

  it('is refused where a memtable and a block do not fit beside the program, by name and with both values', () => {
    const refused = [0, 128e6, 255_013_683].map((memory) => {
      try {
        return memoryPlan({ ...DEFAULTS, memory });
      } catch (error) {
        return error;
      }
    });
    for (const error of refused) {
      const least = 201_326_592 + Math.ceil((8 * MIB * 128) / 20);
      expect(isFault(error, 'invalid') && error.details.expected).toBe(least);
      expect((error as Error).message).toMatch(/^memory: got \d+ bytes, expected at least 255013684: /);
    }
  });
});
