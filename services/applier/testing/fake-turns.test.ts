/**
 * Three sites take turns as primary; each leaves records beyond its epoch end, in its own log and in some of the mirrors of
 * it. Whatever of that a site reads, in whatever order, and whoever tells it of the epoch ends first: its stores end with
 * exactly the records that count, and hence equal.
 */

import { comparePositions, formatPosition } from '@tidemark/model/position';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyspaceApplier } from '../applier.ts';
import { digest, reaches, SYNC, settled, TestSite } from './fake-site.ts';
import { type Made, makeTurns, type Turns } from './fake-turns.ts';

const SITES = SYNC.sites.map(({ name }) => name);

const turn = fc.record({
  site: fc.constantFrom(...SITES),
  kept: fc.tuple(fc.nat(4), fc.nat(4)),
  beyond: fc.tuple(fc.nat(3), fc.nat(3)),
});
const last = turn.map(({ site }) => ({ site, kept: [3, 3], beyond: [0, 0] }));
const history = fc.tuple(fc.array(turn, { minLength: 1, maxLength: 4 }), last).map(([some, end]) => [...some, end]);

/** How one site comes by what it reads. */
const reading = fc.record({
  /** By epoch: whether its mirrors hold what lies beyond the epoch end. */
  hasTail: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  /** Which of the copies gets its next records, again and again. */
  order: fc.array(fc.record({ copy: fc.nat(5), count: fc.integer({ min: 1, max: 4 }) }), { maxLength: 12 }),
  register: fc.constantFrom('before', 'between', 'never'),
  restarts: fc.boolean(),
});
type Reading = typeof reading extends fc.Arbitrary<infer T> ? T : never;

/** What a site's copies are to hold, one after the other: by topic and partition. */
function copiesOf(site: TestSite, turns: Turns, { hasTail }: Reading) {
  return SITES.flatMap((origin) =>
    turns.logs.get(origin)!.map((records, partition) => {
      const isHeld = ({ counts, epoch }: Made): boolean => counts || origin === site.site || hasTail[epoch]!;
      return { topic: site.topicOf(origin), partition, left: records.filter(isHeld).map(({ value }) => value) };
    }),
  );
}

function tellEnds(applier: KeyspaceApplier, turns: Turns): void {
  turns.epochEnds.forEach((epochEnds, partition) => {
    for (const { origin, epoch, seq } of epochEnds) applier.closed(partition, origin, { epoch, seq });
  });
}

/** An epoch is begun only when every one before it was applied up to its epoch end; and nothing beyond an epoch end ever is. */
function expectInOrder(applier: KeyspaceApplier, turns: Turns): void {
  turns.epochEnds.forEach((epochEnds, partition) => {
    const newest = Math.max(...SITES.map((origin) => applier.origins.applied(origin, partition).epoch));
    for (const { origin, epoch, seq } of epochEnds) {
      const at = applier.origins.applied(origin, partition);
      if (at.epoch === epoch) expect(at.seq).toBeLessThanOrEqual(seq);
      if (epoch < newest && seq >= 0) expect(comparePositions(at, { epoch, seq })).toBeGreaterThanOrEqual(0);
    }
  });
}

/** Everything arrives as the reading says; returns the digest at the end. */
async function read(name: string, turns: Turns, how: Reading): Promise<string> {
  const site = new TestSite(name);
  const copies = copiesOf(site, turns, how);
  for (const { topic, partition } of copies) await site.append(topic, partition, []);
  if (how.register === 'before') site.known = turns.epochEnds;
  let applier = await site.start(SYNC);
  for (const [i, { copy, count }] of how.order.entries()) {
    const { topic, partition, left } = copies[copy]!;
    await site.append(topic, partition, left.splice(0, count));
    await settled();
    expectInOrder(applier, turns);
    if (i === 5 && how.register === 'between') tellEnds(applier, turns);
    if (i === 7 && how.restarts) {
      await applier[Symbol.asyncDispose]();
      applier = await site.start(SYNC);
    }
  }
  for (const { topic, partition, left } of copies) await site.append(topic, partition, left);
  await using running = applier;
  for (const [partition, { origin, at }] of turns.ends.map((end) => end!).entries()) {
    running.committed(partition, origin, at);
  }
  for (const [partition, { origin, at }] of turns.ends.map((end) => end!).entries()) {
    await reaches(running, formatPosition(at), partition, origin);
  }
  expect(site.fatal).toEqual([]);
  expectInOrder(running, turns);
  return digest(running);
}

/** What counts, and nothing else, epoch by epoch. */
async function expected(turns: Turns): Promise<string> {
  const plain: Reading = { hasTail: Array(6).fill(false), order: [], register: 'before', restarts: false };
  const counting = new Map([...turns.logs].map(([o, logs]) => [o, logs.map((log) => log.filter((m) => m.counts))]));
  return read('paris', { ...turns, logs: counting }, plain);
}

describe('three sites that take turns', () => {
  it('end with equal digests, whatever of each is read in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.tuple(reading, reading, reading), async (some, readings) => {
        const turns = makeTurns(SYNC, some);
        const wanted = await expected(turns);
        for (const [i, how] of readings.entries()) expect(await read(SITES[i]!, turns, how)).toBe(wanted);
      }),
      { numRuns: 40, endOnFailure: true, interruptAfterTimeLimit: 40_000 },
    );
  }, 60_000);
});
