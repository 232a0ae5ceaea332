import { travelKeyspace } from '@tidemark/model/testing/travel';
import { isFault } from '@tidemark/platform/fault';
import { integerBetween, SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import { FAIR, ScriptedAcceptor, ScriptedNetwork, type Weather } from '../testing/register-scripted.ts';
import { newcomersNeed } from './proposer.ts';
import { type Changed, type MakeChange, VotedRegister } from './register.ts';
import { setPaused } from './register-changes.ts';
import type { RegisterRequest } from './register-request.ts';
import { initialValue, majorityOf, type RegisterValue } from './register-value.ts';

const SITES = ['paris', 'tokyo', 'vienna'];
const FIVE = [...SITES, 'lima', 'quito'];
const INITIAL = initialOf(SITES);

/** Of a keyspace with data at the first two sites. */
function initialOf(sites: readonly string[]): RegisterValue {
  const roles = sites.map((site, i) => [site, i < 2 ? 'data' : 'witness'] as const);
  return initialValue(travelKeyspace({ ack: 'sync(1)', sites: Object.fromEntries(roles) }));
}

function world(seed = 1, sites: readonly string[] = SITES) {
  const initial = initialOf(sites);
  const clock = new SimClock();
  const random = new SeededRandom(seed);
  const acceptors = sites.map((site) => new ScriptedAcceptor(site, random.id()));
  const network = new ScriptedNetwork(acceptors, clock, random);
  const ask = (site: string, request: RegisterRequest) => network.ask(site, initial.keyspace, request);
  const proposer = (site: string, onChosen?: (value: RegisterValue) => void): VotedRegister =>
    new VotedRegister({ initial, site, ask, clock, random, ...(onChosen && { onChosen }) });
  /** Lets time pass until it settles. */
  const settled = async <T>(work: Promise<T>): Promise<T> => {
    let done = false;
    const watched = work.finally(() => {
      done = true;
    });
    watched.catch(() => {});
    for (let step = 0; !done && step < 2_000; step++) await clock.advance(50);
    return watched;
  };
  return { clock, random, acceptors, network, proposer, settled };
}

const pause =
  (paused: boolean): MakeChange =>
  (value, id) =>
    setPaused(value, id, paused);

describe('register', () => {
  it('holds what follows from the keyspace until something was chosen, and then that, for everyone', async () => {
    const w = world();
    expect(await w.settled(w.proposer('paris').read())).toEqual(INITIAL);
    const changed = await w.settled(w.proposer('paris').change(pause(true)));
    expect(changed).toMatchObject({ value: { version: 1, paused: true } });
    w.network.away.add('paris');
    expect(await w.settled(w.proposer('tokyo').read())).toEqual((changed as { value: RegisterValue }).value);
    expect(await w.settled(w.proposer('tokyo').change(pause(true)))).toEqual({ refused: 'it is paused already' });
    expect(await w.settled(w.proposer('vienna').change(pause(false)))).toMatchObject({ value: { version: 2 } });
  });

  it('hears no acceptor that has another value under the ballot of one that was chosen', async () => {
    const w = world();
    const reader = w.proposer('vienna');
    const { value } = (await w.settled(reader.change(pause(true)))) as Changed & { value: RegisterValue };
    w.network.away.add('paris');
    expect(await w.settled(reader.read())).toEqual(value);
    w.network.alter = (site, answer) =>
      site === 'tokyo' && answer.accepted !== null
        ? { ...answer, accepted: { ...answer.accepted, value: { ...value, nextEpoch: value.nextEpoch + 1 } } }
        : answer;
    expect(isFault(await w.settled(reader.read()).catch((e: unknown) => e), 'unavailable')).toBe(true);
  });

  it('without a majority neither tells nor changes anything, and says who was missed', async () => {
    const w = world();
    await w.settled(w.proposer('paris').change(pause(true)));
    for (const site of ['paris', 'vienna']) w.network.away.add(site);
    const tokyo = w.proposer('tokyo');
    for (const ask of [() => tokyo.read(), () => tokyo.change(pause(false))]) {
      const error = await w.settled<unknown>(ask()).catch((e: unknown) => e);
      expect(isFault(error, 'unavailable')).toBe(true);
      expect((error as Error).message).toContain('1 of 3 sites answered, not paris, vienna');
    }
    w.network.away.clear();
    expect(await w.settled(w.proposer('tokyo').read())).toMatchObject({ version: 1 });
  });

  it('knows nothing before the first change until every site has answered', async () => {
    const w = world();
    w.network.away.add('vienna');
    const early = await w.settled(w.proposer('paris').change(pause(true))).catch((e: unknown) => e);
    expect(isFault(early, 'unavailable')).toBe(true);
    w.network.away.clear();
    expect(await w.settled(w.proposer('paris').read())).toEqual(INITIAL);
  });
});

describe('an acceptor that lost its topic', () => {
  it('does not count until an operator lets it in, with both others of three accepting', async () => {
    const w = world();
    await w.settled(w.proposer('paris').change(pause(true)));
    w.acceptors[0]!.wipe('another');
    w.network.away.add('tokyo');
    const alone = await w.settled(w.proposer('vienna').read()).catch((e: unknown) => e);
    expect((alone as Error).message).toContain('paris lost its control topic');
    expect(
      isFault(await w.settled(w.proposer('vienna').readmit('paris')).catch((e: unknown) => e), 'unavailable'),
    ).toBe(true);
    w.network.away.clear();
    const changed = await w.settled(w.proposer('vienna').readmit('paris'));
    expect(changed).toMatchObject({ value: { version: 2, acceptors: { paris: 'another' }, paused: true } });
    w.network.away.add('tokyo');
    expect(await w.settled(w.proposer('vienna').change(pause(false)))).toMatchObject({ value: { version: 3 } });
  });
});

describe('an acceptor that lost its topic, and took a value that nobody made', () => {
  it('is let in all the same, and goes by what was chosen from then on', async () => {
    const w = world();
    const { value } = (await w.settled(w.proposer('paris').change(pause(true)))) as { readonly value: RegisterValue };
    w.acceptors[0]!.wipe('another');
    const ballot = { counter: 70, site: 'lima', process: 'x' };
    const forged = { ...value, version: 9, changes: ['no'], changeId: 'no', paused: false };
    w.acceptors[0]!.answer(value.keyspace, { kind: 'accept', ballot, value: forged });
    const vienna = w.proposer('vienna');
    expect(await w.settled(vienna.read())).toEqual(value);
    const changed = await w.settled(vienna.readmit('paris'));
    expect(changed).toMatchObject({ value: { version: 2, acceptors: { paris: 'another' }, paused: true } });
    // It counts: without it there is no majority.
    await w.settled(vienna.change(pause(false)));
    w.network.away.add('tokyo');
    expect(await w.settled(vienna.change(pause(true)))).toMatchObject({ value: { version: 4, paused: true } });
  });
});

describe('two of five acceptors that lost their topics', () => {
  it('are let in one after the other by the three that are left, and not by fewer', async () => {
    const w = world(1, FIVE);
    await w.settled(w.proposer('paris').change(pause(true)));
    for (const at of [0, 1]) w.acceptors[at]!.wipe(`another ${at}`);
    const letIn = (site: string) =>
      w.settled(w.proposer('quito').readmit(site)).catch((error: unknown) => isFault(error) && error.kind);
    w.network.away.add('vienna');
    expect(await letIn('paris')).toBe('unavailable');
    w.network.away.clear();
    expect(await letIn('paris')).toMatchObject({ value: { version: 2, paused: true } });
    // Whoever counts by now may be one of the three.
    w.network.away.add('vienna');
    expect(await letIn('tokyo')).toMatchObject({ value: { version: 3, paused: true } });
    w.network.away.clear();
    for (const site of ['lima', 'quito']) w.network.away.add(site);
    expect(await w.settled(w.proposer('vienna').read())).toMatchObject({ version: 3, paused: true });
  });
});

describe('how many let a new acceptor in', () => {
  it('every majority of the old and of the new ones has one of them, without the one that is let in', () => {
    for (const count of [2, 3, 4, 5, 6, 7, 8, 9]) {
      const others = count - 1;
      const need = newcomersNeed(count);
      expect(need).toBeLessThanOrEqual(others);
      expect(need + (majorityOf(count) - 1)).toBeGreaterThan(others);
      // And no more of them than that: with one fewer, some majority has none.
      expect(need - 1 + (majorityOf(count) - 1)).toBeLessThanOrEqual(others);
    }
  });
});

/** Three proposers change and read in bad weather; acceptors restart, and at most one loses its topic. */
async function storm(seed: number): Promise<{ changed: number; unsure: number; version: number }> {
  const w = world(seed);
  const { random, clock, network, acceptors } = w;
  const weather: Weather = { loss: random.fraction() * 0.3, repeat: 0.2, delayMsMax: integerBetween(random, 1, 900) };
  const chosen = new Map<number, string>();
  const onChosen = (value: RegisterValue): void => {
    const known = chosen.get(value.version) ?? value.changeId;
    expect(value.changeId, `version ${value.version} is one value`).toBe(known);
    chosen.set(value.version, known);
  };
  await w.settled(w.proposer('paris', onChosen).change(pause(true)));
  network.weather = weather;
  let known = 1;
  let unsure = 0;
  const made: string[] = [];
  const never: string[] = [];
  const act = async (register: VotedRegister): Promise<void> => {
    for (let turn = 0; turn < 4; turn++) {
      const atLeast = known;
      if (random.fraction() < 0.3) {
        const value = await register.read().catch(() => null);
        if (value !== null)
          expect(value.version, 'a read sees what was told before it').toBeGreaterThanOrEqual(atLeast);
        known = Math.max(known, value?.version ?? 0);
        continue;
      }
      let id = '';
      const make: MakeChange = (value, changeId) => {
        id = changeId;
        return setPaused(value, changeId, !value.paused);
      };
      const result = await register.change(make).catch((error: unknown): Changed | 'unsure' | 'not made' => {
        expect(isFault(error)).toBe(true);
        return isFault(error, 'unavailable') ? 'not made' : 'unsure';
      });
      if (result === 'unsure') unsure++;
      else if (result === 'not made') never.push(id);
      else {
        const { value } = result as { value: RegisterValue };
        expect(value.version).toBeGreaterThan(atLeast);
        known = Math.max(known, value.version);
        made.push(id);
      }
      await clock.sleep(integerBetween(random, 0, 300));
    }
  };
  const havoc = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) {
      await clock.sleep(integerBetween(random, 100, 2_000));
      acceptors[integerBetween(random, 0, 2)]!.restart();
    }
  };
  const wiped = random.fraction() < 0.5 ? integerBetween(random, 0, 2) : null;
  const wipe = async (): Promise<void> => {
    if (wiped === null) return;
    await clock.sleep(integerBetween(random, 100, 4_000));
    acceptors[wiped]!.wipe(random.id());
    await clock.sleep(integerBetween(random, 100, 4_000));
    await w
      .proposer(SITES[(wiped + 1) % 3]!, onChosen)
      .readmit(SITES[wiped]!)
      .catch(() => null);
  };
  await w.settled(Promise.all([...SITES.map((site) => act(w.proposer(site, onChosen))), havoc(), wipe()]));
  network.weather = FAIR;
  const last = await w.settled(w.proposer('tokyo', onChosen).read());
  for (const id of made) expect(last.changes, 'what was told as made').toContain(id);
  for (const id of never) expect(last.changes, 'what was told as not made').not.toContain(id);
  expect(new Set(last.changes).size, 'nothing is made twice').toBe(last.changes.length);
  expect(last.version).toBe(last.changes.length);
  return { changed: made.length, unsure, version: last.version };
}

describe('register, with everything going wrong', () => {
  const seeds = Number(process.env.REGISTER_SEEDS ?? 40);
  it(`${seeds} seeds: one value a version, no change lost or made twice, reads not behind`, {
    timeout: 1_800_000,
  }, async () => {
    const sums = { changed: 0, unsure: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        const { changed, unsure } = await storm(seed);
        sums.changed += changed;
        sums.unsure += unsure;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    expect(sums.changed).toBeGreaterThan(seeds * 3);
  });
});
