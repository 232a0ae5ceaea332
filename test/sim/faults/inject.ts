/** Makes the faults of a scenario happen, and has each of them end. */

import type { RegisterAnswer } from '@tidemark/control/consensus/register-request';
import type { LogRecord } from '@tidemark/log/log';
import type { AppendFate } from '@tidemark/log/sim/sim-log';
import { topicNames } from '@tidemark/model/table';
import { isFault } from '@tidemark/platform/fault';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { openRecord, sealRecord } from '@tidemark/record/seal';
import { KEYSPACE } from '../clients/client.ts';
import { forge } from '../clients/forge.ts';
import type { SimSite } from '../cluster/sim-site.ts';
import { fileOf } from '../shape.ts';
import { wordsOf } from '../story.ts';
import type { SimWorld } from '../world.ts';
import { prepare, remake, restore, trim } from './older.ts';
import type { SimFault } from './sim-fault.ts';

const APPEND_MS_MAX = 4;
const READMIT_EVERY_MS = 1_000;
const READMITS_MAX = 100;
const HAND_OVER_MS = 3_000;
const COLUMN_ATTEMPTS = 20;

/** Books every fault and its end. @param clients names on the network, for faults that keep them out */
export function book(world: SimWorld, faults: readonly SimFault[], clients: readonly string[]): void {
  for (const fault of faults) {
    prepare(world, fault);
    world.scheduler.after(fault.atMs - world.scheduler.nowMs, () => {
      world.trace.note('world', wordsOf(fault));
      const end = begin(world, fault, clients);
      world.scheduler.after(fault.forMs, () => {
        world.trace.note('world', `over: ${wordsOf(fault)}`);
        end();
      });
    });
  }
}

/** Makes happen what was to happen at a sign. */
function strike(world: SimWorld, brings: SimFault, site: string, clients: readonly string[]): void {
  const named = 'site' in brings && brings.site === '*' ? { ...brings, site } : brings;
  book(world, [{ ...named, atMs: world.scheduler.nowMs + named.atMs }], clients);
}

function once(work: (site: string) => void): (site: string) => void {
  let isDone = false;
  return (site) => {
    if (isDone) return;
    isDone = true;
    work(site);
  };
}

/** @returns what ends it */
function begin(world: SimWorld, fault: SimFault, clients: readonly string[]): () => unknown {
  const { links } = world;
  switch (fault.kind) {
    case 'kill':
      return down(world.site(fault.site), (site) => site.kill(fault.power));
    case 'doom': {
      const site = world.site(fault.site);
      site.process?.doom(fault, () => {
        world.trace.note(site.name, `dies at its step ${fault.afterSteps}`);
        const up = down(site, () => site.kill());
        world.scheduler.after(fault.forMs, up);
      });
      // One that has not come to that step by then is spared.
      return () => site.process?.spare();
    }
    case 'pause': {
      const { process } = world.site(fault.site);
      process?.pause();
      return () => process?.resume();
    }
    case 'cut':
      return cut(world, [[fault.from, fault.to], ...(fault.both ? [[fault.to, fault.from] as const] : [])]);
    case 'isolate': {
      const others = [...world.siteNames.filter((name) => name !== fault.site), ...(fault.clientsToo ? clients : [])];
      return cut(
        world,
        others.flatMap((other) => [[fault.site, other] as const, [other, fault.site] as const]),
      );
    }
    case 'lossy':
      links.lossRate += fault.rate;
      return () => {
        links.lossRate -= fault.rate;
      };
    case 'slow': {
      links.slowMs += fault.ms;
      return () => {
        links.slowMs -= fault.ms;
      };
    }
    case 'late': {
      const random = world.random.of(`late ${fault.site} ${fault.of} ${fault.atMs}`);
      const late = { site: fault.site, of: fault.of, ms: () => integerBetween(random, 0, fault.ms) };
      links.lateness.add(late);
      return () => links.lateness.delete(late);
    }
    case 'slow-log': {
      const { slowness } = world.site(fault.site);
      const random = world.random.of(`slow ${fault.of} ${fault.site} ${fault.atMs}`);
      const { of, landed } = fault;
      const slow = { landed, isOf: (topic: string) => isOf(topic, of), ms: () => integerBetween(random, 0, fault.ms) };
      slowness.add(slow);
      return () => slowness.delete(slow);
    }
    case 'when':
      return world.onSign(
        fault.sees,
        fault.site,
        once((site) => strike(world, fault.brings, site, clients)),
      );
    case 'early':
      landEarly(world, fault.site, fault.origin);
      return () => {};
    case 'operators':
      return operate(world, fault.everyMs);
    case 'appends': {
      const { store, name } = world.site(fault.site);
      const random = world.random.of(`appends ${name} ${fault.atMs}`);
      store.fate = (topic) => (topic === '' ? { answer: 'stored' } : fateOf(random, fault.rate));
      return () => {
        store.fate = () => ({ answer: 'stored' });
      };
    }
    case 'stuck-copies': {
      const stores = world.sites().map(({ store }) => store);
      const isStuck = (topic: string, partition: number): boolean =>
        isOf(topic, 'mirror') && partition === fault.partition;
      for (const store of stores)
        store.fate = (topic, partition) => ({ answer: isStuck(topic, partition) ? 'refused' : 'stored' });
      return () => {
        for (const store of stores) store.fate = () => ({ answer: 'stored' });
      };
    }
    case 'log-away': {
      const { store } = world.site(fault.site);
      store.reachable = false;
      return () => {
        store.reachable = true;
      };
    }
    case 'poison':
      poison(world, world.site(fault.site), fault.salt);
      return () => {};
    case 'board-empty':
      world.site(fault.site).board.forget();
      return () => world.site(fault.site).board.forgetOne();
    case 'board-away': {
      const { board } = world.site(fault.site);
      board.reachable = false;
      return () => {
        board.reachable = true;
      };
    }
    case 'board-late': {
      const { board } = world.site(fault.site);
      board.standStill();
      return () => board.goOn();
    }
    case 'clock': {
      const site = world.site(fault.site);
      const { wrongMs, strobes } = fault;
      site.wrongMs = (nowMs) => (strobes && Math.floor(nowMs / 700) % 2 === 0 ? 0 : wrongMs);
      site.isClockWrong = true;
      return () => {
        site.wrongMs = () => 0;
        site.isClockWrong = false;
      };
    }
    case 'lost-end': {
      const site = world.site(fault.site);
      return down(site, () => {
        site.kill();
        loseEnd(world, site, fault.salt);
      });
    }
    case 'wipe': {
      const site = world.site(fault.site);
      const up = down(site, () => site.wipe());
      return () => {
        up();
        letIn(world, fault.site);
      };
    }
    case 'restored':
    case 'remade': {
      const site = world.site(fault.site);
      const up = down(site, () => (fault.kind === 'remade' ? remake(world, fault) : restore(world, fault)));
      return () => {
        up();
        letIn(world, fault.site);
      };
    }
    case 'trimmed':
      trim(world, fault);
      return () => void startAgain(world, fault.site);
    case 'twin': {
      const stop = world.site(fault.site).startTwin(fault.folder);
      return () => {
        stop();
        // Two that voted in one log may not know any more what was promised there.
        if (fault.folder === 'own') letIn(world, fault.site);
      };
    }
    case 'nominate':
      void nominate(world, fault);
      return () => {};
    case 'forged':
      void forge(world, fault);
      return () => {};
    case 'column':
      void addColumn(world);
      return () => {};
    case 'disk-full':
    case 'disk-error': {
      const site = world.site(fault.site);
      const random = world.random.of(`disk ${fault.site} ${fault.atMs}`);
      const answer = fault.kind === 'disk-full' ? 'full' : 'eio';
      site.diskFate = (kind) => (kind !== 'read' && (answer === 'full' || random.fraction() < 0.2) ? answer : 'ok');
      return () => {
        site.diskFate = () => 'ok';
      };
    }
  }
}

function down(site: SimSite, kill: (site: SimSite) => void): () => void {
  site.isHeldDown = true;
  kill(site);
  return () => {
    site.isHeldDown = false;
    site.start();
  };
}

function cut(world: SimWorld, ways: readonly (readonly [string, string])[]): () => void {
  for (const [from, to] of ways) world.links.cut(from, to);
  return () => {
    for (const [from, to] of ways) world.links.mend(from, to);
  };
}

function fateOf(random: Random, rate: number): AppendFate {
  if (random.fraction() >= rate) return { answer: 'stored' };
  const dice = random.fraction();
  if (dice < 0.2) return { answer: 'refused' };
  if (dice < 0.5) return { answer: 'unknown', lands: 'now' };
  if (dice < 0.7) return { answer: 'unknown', lands: 'never' };
  return { answer: 'unknown', lands: { afterMs: integerBetween(random, 1, 3_000) } };
}

function isOf(topic: string, of: 'log' | 'mirror' | 'control'): boolean {
  return of === 'control' ? topic === topicNames.control : topic.startsWith(`tidemark.${KEYSPACE}.${of}.`);
}

/** Changes of the register that cost nothing, from every site at once. */
function operate(world: SimWorld, everyMs: number): () => void {
  let isOver = false;
  for (const site of world.siteNames) {
    const random = world.random.of(`operator ${site}`);
    const go = (): void => {
      if (isOver) return;
      const body = { paused: random.fraction() < 0.5 };
      const request = { method: 'POST', path: `/v1/watchdog/${KEYSPACE}`, body } as const;
      void world.exchange.request('operator', site, request, 5_000).catch(() => null);
      world.scheduler.after(integerBetween(random, 1, everyMs), go);
    };
    go();
  }
  return () => {
    isOver = true;
  };
}

/** As a watchdog or an operator would. @returns whether the site will try; who refuses has his reasons */
export async function nominate(
  world: SimWorld,
  { site, cause, loss: mode, rowsMax = 2_000_000_000 }: SimFault & { readonly kind: 'nominate' },
): Promise<boolean> {
  const loss = mode === undefined ? null : { rowsMax, mode };
  const version = await versionAt(world, site);
  const body = { cause, reason: 'the simulator wants it', version, loss };
  const request = { method: 'POST', path: `/v1/internal/nominate/${KEYSPACE}`, body } as const;
  const status = await world.exchange.request('operator', site, request, 1_000).then(
    (reply) => reply.status,
    () => null,
  );
  world.trace.note(site, `nomination: ${status ?? 'no answer'}`);
  return status === 202;
}

/** Of the register, as the site has voted; −1 when it does not say. */
export async function versionAt(world: SimWorld, site: string): Promise<number> {
  const request = { method: 'POST', path: `/v1/internal/register/${KEYSPACE}`, body: { kind: 'read' } } as const;
  const reply = await world.exchange.request('operator', site, request, 1_000).catch(() => null);
  return (reply?.body as Partial<RegisterAnswer> | null)?.accepted?.value.version ?? -1;
}

/** At whoever takes it; clients write the column once it is said to be there. */
async function addColumn(world: SimWorld): Promise<void> {
  const column = `c${++world.columns.asked}`;
  const file = fileOf(KEYSPACE, world.shape);
  const more = Array.from({ length: world.columns.asked }, (_, i) => [`c${i + 1}`, 'string']);
  const { t } = file.tables;
  const body = { ...file, tables: { t: { ...t, columns: { ...t.columns, ...Object.fromEntries(more) } } } };
  for (let attempt = 0; attempt < COLUMN_ATTEMPTS; attempt++) {
    const site = world.dataNames[attempt % world.dataNames.length]!;
    const request = { method: 'PUT', path: `/v1/keyspaces/${KEYSPACE}`, body } as const;
    const status = await world.exchange.request('operator', site, request, 3_000).then(
      (reply) => reply.status,
      () => null,
    );
    world.trace.note(site, `column ${column}: ${status ?? 'no answer'}`);
    if (status !== null && status < 300) {
      world.columns.there.add(column);
      return;
    }
    await world.scheduler.sleep(500);
  }
}

/** An operator, who knows that the disks were replaced, lets the site's new vote in; others have to agree. */
function letIn(world: SimWorld, site: string, attempt = 0): void {
  const others = world.siteNames.filter((name) => name !== site);
  const body = { site };
  const request = { method: 'POST', path: `/v1/watchdog/${KEYSPACE}/readmit`, body } as const;
  const again = (): void => {
    if (attempt < READMITS_MAX) world.scheduler.after(READMIT_EVERY_MS, () => letIn(world, site, attempt + 1));
  };
  world.exchange
    .request('operator', others[attempt % others.length]!, request, 5_000)
    .then(({ status, body: said }) => {
      world.trace.note('operator', `the vote of ${site}: ${status}`);
      if (status !== 200 && !JSON.stringify(said).includes('counts already')) again();
    }, again);
}

/** Somebody else takes over from the site, if anybody can, before it is started again. */
async function startAgain(world: SimWorld, name: string): Promise<void> {
  const other = world.dataNames.find((one) => one !== name)!;
  await nominate(world, { kind: 'nominate', site: other, cause: 'switchover', atMs: 0, forMs: 1 });
  await world.scheduler.sleep(HAND_OVER_MS);
  const site = world.site(name);
  if (site.isHeldDown) return;
  world.trace.note(name, 'is started again');
  site.kill();
  site.start();
}

/** A partition of the log or a mirror is shorter than it was, though it was flushed: a broker's recovery cut it. */
function loseEnd(world: SimWorld, site: SimSite, salt: number): void {
  const { topic, partition } = placeOf(world, site, salt);
  const found = site.store.topic(topic)?.partitions[partition];
  if (found === undefined) return;
  const end = found.start + found.records.length;
  // Its first record stays: without that it would be another topic.
  site.store.loseEnd(topic, partition, Math.max(found.start + 1, end - 1 - ((salt >> 4) % 30)));
}

export function placeOf(
  world: SimWorld,
  site: SimSite,
  salt: number,
): { readonly topic: string; readonly partition: number } {
  const origin = world.siteNames[salt % world.siteNames.length]!;
  const topic = origin === site.name ? topicNames.log(KEYSPACE, origin) : topicNames.mirror(KEYSPACE, origin);
  return { topic, partition: salt % 2 };
}

/** Somebody else's bytes in a log or a mirror: noise, or a record of another place copied as it is. */
function poison(world: SimWorld, site: SimSite, salt: number): void {
  const random = world.random.of(`poison ${salt}`);
  const place = placeOf(world, site, salt);
  const topic = site.store.topic(place.topic);
  const partition = topic?.partitions[place.partition];
  if (topic === undefined || partition === undefined) return;
  const stored = partition.records[integerBetween(random, 0, Math.max(0, partition.records.length - 1))];
  const dice = random.fraction();
  const value = dice < 0.3 || stored === undefined ? noise(random) : dice < 0.6 ? bent(random, stored.value) : null;
  site.store.land(topic, partition, [{ value: value ?? forged(partition.records) ?? noise(random) }]);
}

/** The newest EPOCH_START of the origin's log lands in the site's copy. */
function landEarly(world: SimWorld, at: string, origin: string): void {
  const to = world.site(at).store.topic(topicNames.mirror(KEYSPACE, origin));
  const from = world.site(origin).store.topic(topicNames.log(KEYSPACE, origin));
  for (const partition of to?.partitions ?? []) {
    const start = from?.partitions[partition.number]?.records.findLast(({ value }) => isStart(value));
    if (start !== undefined) world.site(at).store.land(to!, partition, [{ value: start.value }]);
  }
}

function isStart(value: Uint8Array): boolean {
  try {
    return openRecord(value).envelope.body.kind === 'EpochStart';
  } catch (error) {
    if (!isFault(error, 'corrupt')) throw error;
    return false;
  }
}

function noise(random: Random): Uint8Array {
  return new Uint8Array(integerBetween(random, 0, 200)).map(() => integerBetween(random, 0, 255));
}

/** A copy of a record with, half the time, one bit turned. */
function bent(random: Random, value: Uint8Array): Uint8Array {
  const copy = new Uint8Array(value);
  if (random.fraction() < 0.5) copy[integerBetween(random, 0, copy.length - 1)]! ^= 1;
  return copy;
}

/** What would come next, in every field but the chain. */
function forged(records: readonly LogRecord[]): Uint8Array | null {
  for (const { value } of records.toReversed()) {
    try {
      const { chain, ...envelope } = openRecord(value).envelope;
      if (envelope.seq < 0) continue;
      const body = { kind: 'Noop' } as const;
      const other = `${chain.startsWith('f') ? '0' : 'f'}${chain.slice(1)}`;
      return sealRecord({ ...envelope, seq: envelope.seq + 1, body }, other).bytes;
    } catch (error) {
      if (!isFault(error, 'corrupt')) throw error;
    }
  }
  return null;
}

/** How long an append takes when nothing is wrong with it. */
export function appendMs(random: Random): number {
  return integerBetween(random, 1, APPEND_MS_MAX);
}
