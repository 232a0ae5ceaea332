/** A cluster for a case that is played by hand: what an operator and a client do, one after the other. */

import { KEYSPACE } from '../clients/client.ts';
import type { Request } from '../cluster/exchange.ts';
import { appendMs } from '../faults/inject.ts';
import { versionAt } from '../faults/operators.ts';
import { fileOf, type Shape } from '../shape.ts';
import { SimWorld } from '../world.ts';

const ASK_MS = 8_000;
const UNTIL_MS = 60_000;

/** What was answered; status 0: nothing. */
export type Heard = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

export class Stage {
  readonly world: SimWorld;
  readonly shape: Shape;

  constructor(shape: Partial<Shape> = {}) {
    const three = { data: ['paris', 'tokyo', 'quito'], witnesses: [], k: 1, degradeTo: shape.k ?? 1, partitions: 2 };
    this.shape = { ...three, forgetsAfterMs: null, isBrief: false, ...shape };
    this.world = new SimWorld(5, this.shape);
    for (const site of this.world.sites()) {
      const random = this.world.random.of(`appends of ${site.name}`);
      site.appendMs = () => appendMs(random);
      site.start();
    }
  }

  /** Lets time pass until a promise is settled. */
  async drive<T>(promise: Promise<T>, forMs = UNTIL_MS): Promise<T> {
    const { scheduler } = this.world;
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    await scheduler.run(scheduler.nowMs + forMs, () => isDone);
    if (!isDone) throw new Error(`nothing came of it in ${forMs} ms`);
    return promise;
  }

  rest(ms: number): Promise<void> {
    return this.drive(this.world.scheduler.sleep(ms), ms + 1);
  }

  /** @throws {Error} it does not come about */
  async until(what: string, holds: () => Promise<boolean>, forMs = UNTIL_MS): Promise<void> {
    const endMs = this.world.scheduler.nowMs + forMs;
    while (!(await holds())) {
      check(this.world.scheduler.nowMs < endMs, `within ${forMs / 1_000} s ${what}`);
      await this.rest(100);
    }
  }

  ask(site: string, method: Request['method'], path: string, body: object | null = null): Promise<Heard> {
    const asked = this.world.exchange.request('operator', site, { method, path, body }, ASK_MS);
    return this.drive(
      asked.then(
        ({ status, body: said }) => ({ status, body: (said ?? {}) as Heard['body'] }),
        () => ({ status: 0, body: {} }),
      ),
    );
  }

  async makeKeyspace(): Promise<void> {
    const put = (): Promise<Heard> =>
      this.ask(this.shape.data[0]!, 'PUT', `/v1/keyspaces/${KEYSPACE}`, fileOf(KEYSPACE, this.shape));
    await this.until('the keyspace is made', async () => (await put()).status < 300);
  }

  /** @returns whether it was acked */
  async put(site: string, n: number, key = 'a'): Promise<boolean> {
    const body = { rows: [{ k: key, n, v: `v${n}` }] };
    return (await this.ask(site, 'POST', `/v1/${KEYSPACE}/t/rows?timeoutMs=2000`, body)).status === 200;
  }

  /** @returns the numbers that were acked */
  async putAll(site: string, from: number, to: number, key = 'a'): Promise<number[]> {
    const acked: number[] = [];
    for (let n = from; n < to; n++) if (await this.put(site, n, key)) acked.push(n);
    return acked;
  }

  async rowsAt(site: string, key = 'a'): Promise<number[]> {
    const { status, body } = await this.ask(site, 'GET', `/v1/${KEYSPACE}/t/rows/${key}?limit=1000`);
    check(status === 200, `${site} is read: ${status}`);
    return (body.rows as { readonly n: number }[]).map(({ n }) => n);
  }

  /** A site's processes end; with `log` nothing of the site can be reached any more. */
  stop(name: string, log: 'with its log' | 'its log stays' = 'its log stays'): void {
    const site = this.world.site(name);
    site.isHeldDown = true;
    site.kill();
    if (log === 'with its log') site.store.reachable = false;
  }

  begin(name: string): void {
    const site = this.world.site(name);
    site.isHeldDown = false;
    site.store.reachable = true;
    site.start();
  }

  /** Cuts a site off from the others, but not from operators. */
  isolate(name: string): void {
    for (const other of this.#others(name)) {
      this.world.links.cut(name, other);
      this.world.links.cut(other, name);
    }
  }

  join(name: string): void {
    for (const other of this.#others(name)) {
      this.world.links.mend(name, other);
      this.world.links.mend(other, name);
    }
  }

  #others(name: string): string[] {
    return this.world.siteNames.filter((other) => other !== name);
  }

  /** Asks a site to lead. @returns the status */
  async nominate(site: string, cause: 'switchover' | 'failover', lossRows: number | null = null): Promise<number> {
    const loss = lossRows === null ? null : { rowsMax: lossRows, mode: 'received' };
    const body = {
      cause,
      reason: 'a case of the simulator',
      version: await this.drive(versionAt(this.world, site)),
      loss,
    };
    return (await this.ask(site, 'POST', `/v1/internal/nominate/${KEYSPACE}`, body)).status;
  }

  async leads(site: string): Promise<void> {
    await this.until(
      `${site} leads`,
      async () => (await this.nominate(site, 'switchover')) === 409 && this.put(site, 0, 'z'),
    );
  }

  /** @returns what a job ended with */
  async job(site: string, asked: object): Promise<Heard['body']> {
    const made = await this.ask(site, 'POST', '/v1/jobs', { keyspace: KEYSPACE, ...asked });
    check(made.status < 300, `the job is taken: ${JSON.stringify(made.body)}`);
    let told: Heard['body'] = {};
    await this.until('the job ends', async () => {
      const { status, body } = await this.ask(site, 'GET', `/v1/jobs/${String(made.body.id)}`);
      // While it runs the answer is told line by line; what counts is the last one.
      const last = typeof body === 'string' ? (body as string).trim().split('\n').at(-1)! : JSON.stringify(body);
      told = JSON.parse(last) as Heard['body'];
      return status === 200 && told.state !== 'running';
    });
    return told;
  }
}

/** @throws {Error} it does not hold */
export function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}
