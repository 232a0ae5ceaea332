/** Makes the faults of a scenario happen, and has each of them end. */

import type { AppendFate } from '@tidemark/log/sim/sim-log';
import { topicNames } from '@tidemark/model/table';
import { integerBetween, type Random } from '@tidemark/platform/random';
import { KEYSPACE } from '../clients/client.ts';
import { forge } from '../clients/forge.ts';
import type { SimSite } from '../cluster/sim-site.ts';
import { wordsOf } from '../story.ts';
import type { SimWorld } from '../world.ts';
import { prepare, remake, restore, trim } from './older.ts';
import { addColumn, letIn, nominate, operate, startAgain } from './operators.ts';
import type { SimFault } from './sim-fault.ts';
import { landEarly, loseEnd, poison } from './wrong-records.ts';

const APPEND_MS_MAX = 4;

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
      return () => void startAgain(world, fault.site).then(() => letIn(world, fault.site));
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

/** How long an append takes when nothing is wrong with it. */
export function appendMs(random: Random): number {
  return integerBetween(random, 1, APPEND_MS_MAX);
}
