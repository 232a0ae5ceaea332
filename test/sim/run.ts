/** One run: a cluster, clients, faults, and every promise looked at as it goes and at the end. */

import type { LogRecord } from '@tidemark/log/log';
import type { Envelope } from '@tidemark/record/envelope';
import { checkAck, Looker } from './check/checker.ts';
import { Copies } from './check/copies.ts';
import { History } from './check/history.ts';
import { unexplained } from './check/linearizable.ts';
import { Registers } from './check/registers.ts';
import { Schemas } from './check/schemas.ts';
import { checkKept, checkLocalReads, isKept } from './check/settled.ts';
import { Stamps } from './check/stamps.ts';
import { KEYS, KEYSPACE, SimClient } from './clients/client.ts';
import { Turns } from './clients/lead-in-turn.ts';
import { Operator } from './clients/operator.ts';
import { writesGoOn } from './cluster/stepped-clock.ts';
import { appendMs, book } from './faults/inject.ts';
import { endMs, type SimFault } from './faults/sim-fault.ts';
import type { Scenario } from './scenario.ts';
import { fileOf } from './shape.ts';
import { SimWorld, type Violation } from './world.ts';

/** Within this long after the last fault, writes resume, and then all sites are equal. */
const MEND_MS = 60_000;
const SETUP_MS = 10_000;
const LOOK_MS = 500;

export type Outcome = {
  /** The first promise broken; null when all were kept. */
  readonly violation: Violation | null;
  /** Equal for equal runs. */
  readonly hash: string;
  readonly simMs: number;
  readonly events: number;
  readonly acked: number;
  readonly reads: number;
  readonly lines: readonly string[];
};

export async function run(scenario: Scenario, keepsAll = false): Promise<Outcome> {
  const world = new SimWorld(scenario.seed, scenario.shape);
  world.trace.keepsAll = keepsAll;
  const onStray = (error: unknown): void => world.fail('assertion', `a promise nobody waits for: ${String(error)}`);
  process.on('unhandledRejection', onStray);
  try {
    return await new Run(world, scenario).go();
  } finally {
    process.off('unhandledRejection', onStray);
  }
}

class Run {
  readonly #world: SimWorld;
  readonly #scenario: Scenario;
  readonly #history = new History();
  readonly #copies: Copies;
  readonly #looker: Looker;
  readonly #registers: Registers;
  readonly #stamps: Stamps;

  constructor(world: SimWorld, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
    this.#copies = new Copies(world);
    this.#registers = new Registers(this.#copies, world);
    this.#stamps = new Stamps(world);
    const schemas = new Schemas(world, this.#copies);
    this.#copies.onKnown = (envelope) => {
      schemas.check(envelope);
      this.#stamps.check(envelope, this.#askedMs(envelope));
    };
    this.#looker = new Looker(world, this.#copies, this.#registers, scenario.shape.degradeTo);
  }

  async go(): Promise<Outcome> {
    const { scheduler, violations, trace } = this.#world;
    this.#build();
    await this.#setUp();
    if (violations.length === 0) await this.#live();
    if (violations.length === 0) await this.#mend();
    return {
      violation: violations[0] ?? null,
      hash: trace.hash,
      simMs: scheduler.nowMs,
      events: scheduler.count,
      acked: this.#history.writes.filter((write) => write.outcome === 'acked').length,
      reads: this.#history.reads.length,
      lines: trace.lines(),
    };
  }

  #build(): void {
    const { exchange, trace } = this.#world;
    for (const site of this.#world.sites()) {
      const random = this.#world.random.of(`appends of ${site.name}`);
      site.appendMs = () => appendMs(random);
      const landed = (topic: string, partition: number, record: LogRecord): void => {
        const tail = Buffer.from(record.value.subarray(-8)).toString('hex');
        trace.note(site.name, `${topic}/${partition}@${record.offset} ${record.value.length} ${tail}`);
        this.#registers.take(site.name, topic, record.offset, record.value);
      };
      this.#copies.watch(site, landed, (topic) =>
        this.#registers.lost(site.name, topic, site.store.topic(topic)?.partitions[0]?.records ?? []),
      );
    }
    exchange.onReply = (site, request, reply) => {
      trace.note(site, `${request.method} ${request.path} ${reply.status}`);
      this.#registers.answered(site, request, reply);
      checkAck(this.#world, this.#copies, this.#registers, this.#scenario.shape.degradeTo, request, reply);
    };
    this.#world.onLog = (site, fields) => this.#registers.heard(site, fields);
    for (const site of this.#world.sites()) site.start();
  }

  /** When a client asked for what a record holds; null when it is of none. */
  #askedMs({ body }: Envelope): number | null {
    const id = body.kind === 'Mutate' ? body.requestId.split('/')[0] : undefined;
    return this.#history.writes.findLast((write) => write.id === id)?.invokedMs ?? null;
  }

  async #setUp(): Promise<void> {
    const { shape } = this.#scenario;
    const request = { method: 'PUT', path: `/v1/keyspaces/${KEYSPACE}`, body: fileOf(KEYSPACE, shape) } as const;
    const isMade = async (): Promise<boolean> =>
      (await this.#world.exchange.request('operator', shape.data[0]!, request, 5_000)).status < 300;
    if (!(await this.#until(isMade, SETUP_MS))) this.#world.fail('setup', 'the keyspace was not made');
  }

  /** Clients at work while things go wrong. */
  async #live(): Promise<void> {
    const { scheduler, violations, exchange } = this.#world;
    const { clients, faults, durationMs } = this.#scenario;
    const beganMs = scheduler.nowMs;
    const working = clients.map((rules) => new SimClient(this.#world, rules, this.#history));
    exchange.twiceRate = 0.05;
    book(
      this.#world,
      faults.map((fault) => ({ ...fault, atMs: fault.atMs + beganMs })),
      clients.map((client) => client.name),
    );
    this.#looker.begin(LOOK_MS, () => this.#stamps.look());
    const ends = working.map((client) => client.run());
    const overMs = Math.max(durationMs, ...faults.map(endMs));
    await scheduler.run(beganMs + overMs + 1, () => violations.length > 0);
    // Whoever died late in a doom of its own is back, too.
    await scheduler.run(scheduler.nowMs + 12_000, () => this.#world.sites().every((site) => site.isUp));
    for (const client of working) client.isStopped = true;
    let left = ends.length;
    for (const end of ends) void end.then(() => left--);
    await scheduler.run(scheduler.nowMs + MEND_MS, () => violations.length > 0 || left === 0);
  }

  /** All is well again: writes go through, and every site comes to hold the same. */
  async #mend(): Promise<void> {
    const { violations } = this.#world;
    const last = new SimClient(this.#world, { name: 'last', thinkMs: 1, writeRate: 1 }, this.#history);
    const isWritten = async (): Promise<boolean> => (await last.write(KEYS[0]!)).outcome === 'acked';
    const operator = new Operator(this.#world, this.#scenario, this.#registers.accepted);
    const isMended =
      (await this.#until(isWritten, operator.mendMs(MEND_MS))) ||
      (operator.isAsked() && (await this.#until(isWritten, operator.mendMs(MEND_MS))));
    if (!isMended) {
      // What only a `local` primary held of a closed term went with its power: no site can ever hold it again.
      if (this.#scenario.shape.k === 0 && this.#registers.isEndGone()) return;
      this.#world.fail('I20', 'no write was acked within 60 s after the faults were over');
      return;
    }
    operator.goHome();
    if (!(await this.#until(() => this.#looker.areEqual(this.#lastToken()), MEND_MS))) {
      this.#world.fail('I20', `the sites do not come to hold the same: ${this.#looker.difference}`);
      return;
    }
    const doAllCount = async (): Promise<boolean> => {
      const silent = this.#registers.silent();
      if (silent !== null) operator.letIn(silent);
      return this.#registers.allCount() === null;
    };
    if (!(await this.#until(doAllCount, MEND_MS))) {
      this.#world.fail('I20', `not all count again: ${this.#registers.allCount()}`);
      return;
    }
    if (violations.length > 0) return;
    const goOn = (holds: () => Promise<boolean>): Promise<boolean> => this.#until(holds, MEND_MS);
    if (!(await writesGoOn(this.#world, this.#scenario.seed, this.#registers, isWritten, goOn))) {
      this.#world.fail('I20', 'no write was acked elsewhere within 60 s after the clock of the primary had stepped');
      return;
    }
    const turns = new Turns(this.#world, last, (holds, forMs) => this.#until(holds, forMs));
    if (!(await turns.run(this.#registers.newest!.terms.at(-1)!.site))) {
      this.#world.fail('I20', `not every site leads in turn: ${turns.difference}`);
      return;
    }
    if (!(await this.#until(() => this.#looker.areEqual(this.#lastToken()), MEND_MS))) {
      this.#world.fail('I20', `the sites do not come to hold the same in turn: ${this.#looker.difference}`);
      return;
    }
    if (!(await this.#until(async () => this.#registers.untold() === null, MEND_MS))) {
      this.#world.fail('explained', this.#registers.untold() ?? '');
      return;
    }
    if (violations.length > 0) return;
    for (const key of KEYS) {
      // What was lost, by `local` or because somebody accepted it, is in no order; the rest of it has one.
      const counts = (id: string): boolean => !operator.mayLose || isKept(this.#copies, id);
      const odd = unexplained(this.#history.operations(key, counts));
      if (odd !== null)
        this.#world.fail(
          'linearizable',
          `no order explains the ${odd.kind} of ${odd.value} by ${odd.client} on key ${key}, ${Math.round(odd.invokedMs)} to ${Math.round(odd.returnedMs)} ms`,
        );
    }
    for (const starts of this.#copies.starts.values()) this.#registers.checkStarts(starts.values());
    checkLocalReads(this.#world, this.#history, this.#copies);
    const mayLack = (epoch: number): boolean => this.#registers.accepted.mayLack(epoch);
    const isKeptAll = (isLast: boolean): Promise<boolean> =>
      checkKept(this.#world, this.#history, this.#copies, this.#scenario.shape.k, mayLack, isLast);
    if (!(await this.#until(() => isKeptAll(false), MEND_MS))) await this.#until(() => isKeptAll(true), 1);
    this.#registers.accepted.check(this.#world, this.#history, this.#copies, (site) => this.#unheardFromMs(site));
  }

  /** Of the write that was acked last among those that count. */
  #lastToken(): string | null {
    const { writes } = this.#history;
    return writes.findLast(({ id, outcome }) => outcome === 'acked' && isKept(this.#copies, id))?.token ?? null;
  }

  /** From when on a site may ack rows by itself that the others hear nothing of. */
  #unheardFromMs(site: string): number {
    const { shape, faults } = this.#scenario;
    if (shape.k > 0 && shape.degradeTo > 0) return Number.POSITIVE_INFINITY;
    const cutsOff = (fault: SimFault): boolean =>
      fault.kind === 'when'
        ? cutsOff(fault.brings)
        : fault.kind === 'stuck-copies' ||
          (fault.kind === 'isolate' && fault.site === site) ||
          (fault.kind === 'cut' && (fault.from === site || fault.to === site));
    return Math.min(Number.POSITIVE_INFINITY, ...faults.filter(cutsOff).map(({ atMs }) => atMs));
  }

  /** Tries until it holds, a promise is broken, or the time is over. A Fault is as good as not yet. */
  async #until(holds: () => Promise<boolean>, forMs: number): Promise<boolean> {
    const { scheduler, violations } = this.#world;
    let done = false;
    const untilMs = scheduler.nowMs + forMs;
    const trying = async (): Promise<void> => {
      while (!done && scheduler.nowMs < untilMs) {
        done = await holds().catch(() => false);
        if (!done) await scheduler.sleep(200);
      }
    };
    void trying();
    await scheduler.run(untilMs, () => done || violations.length > 0);
    return done;
  }
}
