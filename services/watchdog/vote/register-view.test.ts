import { VotedRegister } from '@tidemark/control/consensus/register';
import { setPaused } from '@tidemark/control/consensus/register-changes';
import type { RegisterRequest } from '@tidemark/control/consensus/register-request';
import { initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { ScriptedAcceptor, ScriptedNetwork } from '@tidemark/control/testing/register-scripted';
import { travelKeyspace } from '@tidemark/model/testing/travel';
import { Peer } from '@tidemark/peer/peer';
import { placeOf, siteIn } from '@tidemark/peer/place';
import { Fault, isFault } from '@tidemark/platform/fault';
import { SILENT } from '@tidemark/platform/logger';
import type { Network } from '@tidemark/platform/network';
import { SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { REREAD_EVERY_MS, RegisterView } from './register-view.ts';

const SITES = ['paris', 'tokyo', 'quito'];
const TRAVEL = travelKeyspace({ sites: { paris: 'data', tokyo: 'data', quito: 'data' } });

function world() {
  const clock = new SimClock();
  const random = new SeededRandom(3);
  const acceptors = SITES.map((site) => new ScriptedAcceptor(site, random.id()));
  const scripted = new ScriptedNetwork(acceptors, clock, random);
  const asked: string[] = [];
  const network: Network = {
    async *lines() {},
    ask: async (url, body) => {
      const { site } = siteIn(url)!;
      const vote = (keyspace: string, request: RegisterRequest) => scripted.ask(site, keyspace, request);
      if (!url.endsWith('/registers')) {
        const answer = await vote('travel', body as RegisterRequest);
        if (answer === null) throw new Fault('unknown', `${url}: no answer`);
        return { status: 200, body: answer };
      }
      const { keyspaces } = body as { readonly keyspaces: readonly string[] };
      asked.push(`${site}: ${keyspaces.join(' ')}`);
      const answers = await Promise.all(
        keyspaces.map(async (one) => [one, await vote(one, { kind: 'read' })] as const),
      );
      return { status: 200, body: { answers: Object.fromEntries(answers.filter(([, answer]) => answer !== null)) } };
    },
  };
  const watcherAt = (site: string): Peer => new Peer(network, placeOf(site));
  const fatal: unknown[] = [];
  const parts = { site: 'paris', watcherAt, clock, random, logger: SILENT };
  const view = new RegisterView({ ...parts, onFatal: (error) => fatal.push(error) });
  const ask = (site: string, request: RegisterRequest) => scripted.ask(site, 'travel', request);
  const elsewhere = new VotedRegister({ ...parts, ask, site: 'tokyo', initial: initialValue(TRAVEL) });
  const pause = async (paused: boolean): Promise<void> => {
    const changed = elsewhere.change((value, id) => setPaused(value, id, paused));
    await clock.advance(3_000);
    expect(await changed).toMatchObject({ value: { paused } });
  };
  return {
    clock,
    network: scripted,
    asked,
    view,
    pause,
    fatal,
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

describe('what a process knows of the registers', () => {
  it('is what the sites agree on, a re-reading later at most, with whoever made it', async () => {
    await using w = world();
    w.view.begin(TRAVEL);
    expect(w.view.current('travel')).toBeNull();
    await w.clock.advance(1_000);
    expect(w.view.current('travel')).toEqual(initialValue(TRAVEL));
    await w.pause(true);
    await w.clock.advance(REREAD_EVERY_MS);
    expect(w.view.current('travel')).toMatchObject({ version: 1, paused: true });
    expect(w.fatal).toEqual([]);
  });

  it('is asked of each site once for all keyspaces, whenever they were begun', async () => {
    await using w = world();
    const begin = (...names: string[]): void => {
      for (const name of names) w.view.begin({ ...TRAVEL, name });
    };
    begin('travel', 'trade');
    await w.clock.advance(1_337);
    expect(w.asked.splice(0)).toEqual(SITES.toSorted().map((site) => `${site}: travel trade`));
    begin('tax', 'tolls');
    await w.clock.advance(REREAD_EVERY_MS - 1_337 - 1);
    expect(w.asked.splice(0)).toEqual(SITES.toSorted().map((site) => `${site}: tax tolls`));
    await w.clock.advance(REREAD_EVERY_MS);
    expect(w.asked.splice(0)).toEqual(SITES.toSorted().map((site) => `${site}: travel trade tax tolls`));
    expect(w.view.current('tolls')).toMatchObject({ version: 0 });
  });

  it('stays while no majority answers, and moves on when one does again', async () => {
    await using w = world();
    w.view.begin(TRAVEL);
    await w.pause(true);
    await w.clock.advance(REREAD_EVERY_MS);
    for (const site of ['tokyo', 'quito']) w.network.away.add(site);
    await w.clock.advance(60_000);
    expect(w.view.current('travel')).toMatchObject({ version: 1 });
    w.network.away.clear();
    await w.pause(false);
    await w.clock.advance(REREAD_EVERY_MS);
    expect(w.view.current('travel')).toMatchObject({ version: 2 });
  });

  it('never goes back nor to what does not follow, and is told to each listener once, also to one that comes late', async () => {
    await using w = world();
    const initial = initialValue(TRAVEL);
    const told: (readonly [number, number | null])[] = [];
    const listen = (value: RegisterValue, before: RegisterValue | null): void => {
      told.push([value.version, before?.version ?? null]);
    };
    const at = (version: number): RegisterValue => {
      const changes = Array.from({ length: version }, (_, i) => `c${i}`);
      return { ...initial, version, changes, changeId: changes.at(-1) ?? '' };
    };
    w.view.heard(at(4));
    const listening = w.view.onChange(listen);
    for (const version of [3, 4, 7, 5]) w.view.heard(at(version));
    w.view.heard({ ...at(8), nextEpoch: 0 });
    expect(told).toEqual([
      [4, null],
      [7, 4],
    ]);
    listening[Symbol.dispose]();
    w.view.heard(at(9));
    expect(told).toHaveLength(2);
    expect(w.view.current('travel')?.version).toBe(9);
  });

  it('says so of a keyspace it does not know yet', async () => {
    await using w = world();
    let error: unknown = null;
    try {
      w.view.register('travel');
    } catch (thrown) {
      error = thrown;
    }
    expect(isFault(error, 'unavailable')).toBe(true);
  });
});
