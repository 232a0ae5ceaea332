/** A simulated cluster that a story is played on step by step, with what an operator does and asks. */

import { KEYSPACE } from '../clients/client.ts';
import { appendMs } from '../faults/inject.ts';
import { versionAt } from '../faults/operators.ts';
import { fileOf, type Shape } from '../shape.ts';
import { SimWorld } from '../world.ts';

const STEP_MS = 100;
const ASK_MS = 8_000;

export type Reply = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

/** What of a site is put back to what it was. */
export type Kind = 'folder' | 'log' | 'both' | 'control';

/** A site's folder and log as they were at a moment. */
export type Kept = { readonly site: string; putBack(kind: Kind): void };

export class Staged {
  readonly world: SimWorld;
  readonly #shape: Shape;

  /** Every site is up, and the keyspace is written at its primary. */
  static async open(seed: number, shape: Shape): Promise<Staged> {
    const staged = new Staged(seed, shape);
    await staged.define();
    await staged.until('a first row', async () => await staged.put(shape.data[0]!, 0));
    return staged;
  }

  constructor(seed: number, shape: Shape) {
    this.#shape = shape;
    this.world = new SimWorld(seed, shape);
    this.world.trace.keepsAll = true;
    for (const site of this.world.sites()) {
      const random = this.world.random.of(`appends ${site.name}`);
      site.appendMs = () => appendMs(random);
      site.start();
    }
  }

  async define(): Promise<void> {
    await this.until('the keyspace', async () => {
      const { status } = await this.putKeyspace();
      return status > 0 && status < 300;
    });
  }

  putKeyspace(): Promise<Reply> {
    return this.ask(this.#shape.data[0]!, 'PUT', `/v1/keyspaces/${KEYSPACE}`, fileOf(KEYSPACE, this.#shape));
  }

  /** Has the world go on until the promise is settled. */
  async #drive<T>(promise: Promise<T>, forMs: number): Promise<T> {
    const { scheduler } = this.world;
    let isDone = false;
    const settled = promise.finally(() => {
      isDone = true;
    });
    settled.catch(() => {});
    await scheduler.run(scheduler.nowMs + forMs, () => isDone);
    if (!isDone) throw new Error(`nothing came of it within ${forMs} ms`);
    return settled;
  }

  rest(ms: number): Promise<void> {
    return this.#drive(this.world.scheduler.sleep(ms), ms + 1);
  }

  async until(what: string, isSo: () => Promise<boolean>, forMs = 60_000): Promise<void> {
    const { scheduler } = this.world;
    const endMs = scheduler.nowMs + forMs;
    while (!(await isSo())) {
      if (scheduler.nowMs > endMs) throw new Error(`${what} within ${forMs} ms did not come about`);
      await this.rest(STEP_MS);
    }
  }

  /** Status 0: no answer. */
  async ask(site: string, method: 'GET' | 'PUT' | 'POST', path: string, body: object | null = null): Promise<Reply> {
    const request = { method, path, body } as const;
    try {
      const asked = this.world.exchange.request('operator', site, request, ASK_MS);
      const { status, body: said } = await this.#drive(asked, 2 * ASK_MS);
      return { status, body: said as Reply['body'] };
    } catch (error) {
      return { status: 0, body: { detail: String(error) } };
    }
  }

  /** Whether a row was acked. */
  async put(site: string, n: number): Promise<boolean> {
    const rows = [{ k: 'a', n, v: 'acked' }];
    return (await this.ask(site, 'POST', `/v1/${KEYSPACE}/t/rows?timeoutMs=2000`, { rows })).status === 200;
  }

  /** The rows of the key, by their number; null: they cannot be read. */
  async rowsAt(site: string): Promise<readonly number[] | null> {
    const { status, body } = await this.ask(site, 'GET', `/v1/${KEYSPACE}/t/rows/a?limit=1000`);
    return status === 200 ? (body.rows as readonly { n: number }[]).map(({ n }) => n) : null;
  }

  async decisionsAt(site: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const { body } = await this.ask(site, 'GET', '/v1/history');
    return (body.decisions ?? []) as readonly Readonly<Record<string, unknown>>[];
  }

  async nominate(site: string, loss: object | null = null): Promise<number> {
    const version = await this.#drive(versionAt(this.world, site), ASK_MS);
    const wish = { cause: 'failover', reason: 'the story wants it', version, loss };
    return (await this.ask(site, 'POST', `/v1/internal/nominate/${KEYSPACE}`, wish)).status;
  }

  /** Its log goes with it. */
  stop(site: string): void {
    const found = this.world.site(site);
    found.isHeldDown = true;
    found.kill();
    found.store.reachable = false;
  }

  begin(site: string): void {
    const found = this.world.site(site);
    found.isHeldDown = false;
    found.store.reachable = true;
    found.start();
  }

  /** Of a site that is stopped. */
  keep(site: string): Kept {
    const { platter, store } = this.world.site(site);
    const folders = structuredClone(platter.folders);
    const topics = store.topicNames().map((name) => {
      const partitions = store.topic(name)!.partitions;
      return { name, partitions, were: partitions.map((one) => ({ ...one, records: [...one.records] })) };
    });
    return {
      site,
      putBack: (kind) => {
        if (kind === 'folder' || kind === 'both') {
          platter.wipe();
          for (const [path, files] of structuredClone(folders)) platter.folders.set(path, files);
        }
        if (kind === 'folder') return;
        for (const { name, partitions, were } of topics) {
          if ((kind === 'control') !== (name === 'tidemark.control') && kind !== 'both') continue;
          for (const [i, one] of partitions.entries()) {
            Object.assign(one, { ...were[i]!, records: [...were[i]!.records] });
          }
        }
      },
    };
  }
}
