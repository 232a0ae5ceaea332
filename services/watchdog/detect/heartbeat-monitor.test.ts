import {
  BEAT_BYTES_MAX,
  type Beat,
  encodeBeat,
  type HeartbeatStore,
} from '@tidemark/control/heartbeats/heartbeat-store';
import { Fault } from '@tidemark/platform/fault';
import { type Logger, SILENT } from '@tidemark/platform/logger';
import { SeededRandom } from '@tidemark/platform/random';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { describe, expect, it } from 'vitest';
import type { SiteFacts } from '../facts.ts';
import { HeartbeatMonitor } from './heartbeat-monitor.ts';
import { sendHeartbeatsUntil } from './heartbeat-sender.ts';

/** A heartbeat store that can be lost, emptied, or hang. */
class FickleHeartbeatStore implements HeartbeatStore {
  readonly address = 'fickle:board';
  readonly #beats = new Map<string, Beat>();
  mood: 'well' | 'gone' | 'hangs' = 'well';

  async beat(beat: Beat): Promise<void> {
    await this.#answer();
    encodeBeat(beat);
    this.#beats.set(`${beat.role}:${beat.process}`, beat);
  }

  async beats(): Promise<Beat[]> {
    await this.#answer();
    return [...this.#beats.values()];
  }

  empty(): void {
    this.#beats.clear();
  }

  async #answer(): Promise<void> {
    if (this.mood === 'hangs') await new Promise(() => {});
    if (this.mood === 'gone') throw new Fault('unavailable', 'board is out of reach');
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function factsOf(site: string, partitions = 1): SiteFacts {
  const heads = Array.from({ length: partitions }, (_, i) => `1:${1_000_000 + i}`);
  const writer = {
    epoch: 1,
    heads,
    rows: [0],
    rowCount: 0,
    termMs: 0,
    committed: heads,
    barrierMs: 0,
    pendingBytes: 0,
  };
  const keyspace = {
    keyspace: 'travel',
    version: 1,
    state: 'running',
    writer,
    asOfMs: 5,
    origins: [],
    copies: [],
  } as const;
  return {
    url: `http://${site}`,
    peerUrl: `http://${site}:1`,
    roles: ['writer'],
    loopLagMs: 0,
    troubles: [],
    keyspaces: [keyspace],
  };
}

function world() {
  const clock = new SimClock();
  const boards = new Map(['paris', 'tokyo'].map((site) => [site, new FickleHeartbeatStore()]));
  const stop = new AbortController();
  const random = new SeededRandom(1);
  const beat = (site: string, facts = factsOf(site), logger: Logger = SILENT): AbortController => {
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, stop.signal]);
    const process = random.id();
    const parts = { site, role: 'site', process, beganMs: 0, folder: site, board: boards.get(site)!, clock, logger };
    void sendHeartbeatsUntil({ ...parts, facts: () => facts }, signal);
    return end;
  };
  const watch = new HeartbeatMonitor({ site: 'tokyo', boards, clock });
  void watch.run(stop.signal);
  const states = () => watch.sites().map((site) => site.state);
  return { clock, boards, beat, watch, states, [Symbol.dispose]: () => stop.abort() };
}

describe('watch', () => {
  it('a site whose beats arrive is alive, one that stopped is silent, one never heard is unknown', async () => {
    using w = world();
    const paris = w.beat('paris');
    await w.clock.advance(3_000);
    expect(w.states()).toEqual(['alive', 'unknown']);
    expect(w.watch.site('tokyo').reason).toBe('no heartbeat on its board');
    paris.abort();
    await w.clock.advance(5_000);
    expect(w.states()).toEqual(['silent', 'unknown']);
    expect(w.watch.site('paris').reason).toMatch(/^no new heartbeat for \d/);
  });

  it('a beat that lies on a board from before is nobody’s sign of life', async () => {
    using w = world();
    w.beat('paris').abort();
    await w.clock.advance(2_000);
    expect(w.states()[0]).toBe('unknown');
    await w.clock.advance(8_000);
    expect(w.watch.site('paris')).toMatchObject({ state: 'silent', processes: [{ heard: false }] });
  });

  it('within 5 s of every board being lost all is unknown, and with the boards back all is alive', async () => {
    using w = world();
    for (const site of ['paris', 'tokyo']) w.beat(site);
    await w.clock.advance(3_000);
    expect(w.states()).toEqual(['alive', 'alive']);
    for (const board of w.boards.values()) board.mood = 'gone';
    await w.clock.advance(5_000);
    expect(w.states()).toEqual(['unknown', 'unknown']);
    expect(w.watch.site('tokyo').reason).toBe('board is out of reach');
    for (const board of w.boards.values()) board.mood = 'well';
    await w.clock.advance(3_000);
    expect(w.states()).toEqual(['alive', 'alive']);
  });

  it('a board that restarts empty is unknown at most until the next beats', async () => {
    using w = world();
    w.beat('paris');
    await w.clock.advance(3_000);
    w.boards.get('paris')!.empty();
    await w.clock.advance(3_000);
    expect(w.states()[0]).toBe('alive');
  });

  it('of the own site’s processes the silence is measured by phi, which rises once beats stay away', async () => {
    using w = world();
    const tokyo = w.beat('tokyo');
    w.beat('paris');
    await w.clock.advance(10_000);
    const phi = (site: string) => w.watch.site(site).processes[0]!.phi;
    expect(phi('tokyo')).toBeLessThan(1);
    expect(phi('paris')).toBeNull();
    tokyo.abort();
    await w.clock.advance(5_000);
    expect(phi('tokyo')).toBeGreaterThan(8);
  });

  it('a board that hangs keeps nobody waiting', async () => {
    using w = world();
    for (const site of ['paris', 'tokyo']) w.beat(site);
    await w.clock.advance(3_000);
    w.boards.get('tokyo')!.mood = 'hangs';
    await w.clock.advance(10_000);
    expect(w.states()).toEqual(['alive', 'unknown']);
  });

  it('finds a site by what it last said of itself', async () => {
    using w = world();
    expect(w.watch.urlOf('tokyo')).toBeNull();
    const tokyo = w.beat('tokyo');
    await w.clock.advance(2_000);
    tokyo.abort();
    await w.clock.advance(60_000);
    expect(w.watch.urlOf('tokyo')).toBe('http://tokyo');
  });
});

describe('heart', () => {
  it('leaves positions out when they do not fit on the board, and says the rest', async () => {
    using w = world();
    const large = factsOf('paris', 5_000);
    expect(JSON.stringify(large).length).toBeGreaterThan(BEAT_BYTES_MAX);
    w.beat('paris', large);
    await w.clock.advance(3_000);
    const [process] = w.watch.site('paris').processes;
    expect(process).toMatchObject({ state: 'alive', facts: { keyspaces: [{ writer: { epoch: 1, heads: null } }] } });
  });

  it('says once that the board is lost, and once that it is back', async () => {
    using w = world();
    const said: string[] = [];
    const logger = {
      ...SILENT,
      warn: (_: object, text: string) => said.push(text),
      info: (_: object, text: string) => said.push(text),
    };
    w.boards.get('paris')!.mood = 'gone';
    w.beat('paris', factsOf('paris'), logger);
    await w.clock.advance(10_000);
    w.boards.get('paris')!.mood = 'well';
    await w.clock.advance(10_000);
    expect(said).toEqual([
      'board fickle:board: does not take heartbeats',
      'board fickle:board: takes heartbeats again',
    ]);
  });
});
