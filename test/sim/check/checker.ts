/** Looks at the sites from outside of the network, as often as it likes: promises that hold at every moment. */

import { parseAck } from '@tidemark/model/keyspace-file';
import { comparePositions, type Position, parseToken } from '@tidemark/model/position';
import { KEYS, KEYSPACE } from '../clients/client.ts';
import type { Reply, Request } from '../cluster/exchange.ts';
import type { SimWorld } from '../world.ts';
import type { Copies } from './copies.ts';
import type { Registers } from './registers.ts';
import { Forgetting } from './tombstone-gc.ts';

type Positions = {
  readonly positions: Readonly<Record<string, readonly string[]>>;
  /** What deletes may be forgotten below, `ms.counter`. */
  readonly forgotten: string | null;
};
type Held = {
  readonly copies: readonly { readonly origin: string; readonly positions: readonly [number, number, string][] }[];
};
type Digest = {
  readonly positions: Positions['positions'];
  readonly gcWatermark: string | null;
  readonly tables: Readonly<Record<string, { readonly hash: string }>>;
};

/** Later than every stamp: at it digests are of what is not deleted, whatever was forgotten. */
const EVERYTHING = '999999999999999.0';

/**
 * I2: of what is acked, the origin and as many others as the answer says, never fewer than `least`, have held the record
 * unfenced; I9: and all that came before it.
 */
export function checkAck(
  world: SimWorld,
  copies: Copies,
  registers: Registers,
  least: number,
  request: Request,
  reply: Reply,
): void {
  const { token = null, ack = '' } = (reply.body ?? {}) as { readonly token?: string | null; readonly ack?: string };
  if (request.method !== 'POST' || reply.status !== 200 || token === null) return;
  const { k } = parseAck(ack);
  if (k < least) world.fail('I2', `${token} was acked at level ${ack}`);
  const { keyspace, origin, positions } = parseToken(token);
  for (const [partition, { epoch, seq }] of positions) {
    const holders = world.siteNames.filter((site) => {
      const copy = copies.copy(site, { keyspace, origin, partition });
      return (copy.ackable.get(epoch) ?? -1) >= seq;
    });
    // Whoever is told so later than it was decided hears it from a second writer.
    if (registers.isBeyond({ epoch, partition, seq }))
      world.fail('rule 15', `${token} was acked when it was decided already that it lies beyond the epoch end`);
    // An earlier epoch's record counts once it is within the epoch end that a later one names.
    const isClosed = [...copies.effective(keyspace, partition)].some(
      ([e, epochEnd]) => e === epoch && epochEnd < Number.MAX_SAFE_INTEGER && seq <= epochEnd,
    );
    if (isClosed) continue;
    if (holders.includes(origin) && holders.length > k) {
      const whole = holders.filter((site) => copies.hasHeldBefore(site, keyspace, partition, epoch));
      if (whole.length <= k) world.fail('I9', `${token} was acked while ${listed(whole)} held what came before it`);
      continue;
    }
    world.fail('I2', `${token} was acked while ${listed(holders)} held it unfenced`);
  }
}

function listed(sites: readonly string[]): string {
  return sites.length === 0 ? 'nobody' : sites.join(', ');
}

export class Looker {
  /** Why the sites are not equal yet. */
  difference = '';
  /** What a site said that did not answer. */
  #refusal = '';
  readonly #world: SimWorld;
  readonly #copies: Copies;
  readonly #k: number;
  readonly #tombstoneGc: Forgetting;
  readonly #seen = new Map<string, string>();
  /** By site: the positions that everything was looked at. */
  readonly #lookedAt = new Map<string, string>();
  /** By site: what it answered last, from which disks. */
  readonly #asOf = new Map<string, { readonly asOf: string; readonly disks: number }>();
  /** Positions → what a site held at them, and which. */
  readonly #digests = new Map<string, { readonly hashes: string; readonly site: string }>();

  constructor(world: SimWorld, copies: Copies, registers: Registers, k: number) {
    this.#world = world;
    this.#copies = copies;
    this.#tombstoneGc = new Forgetting(world, copies, registers);
    this.#k = k;
  }

  /** Looks every so often for as long as the run goes on, and has `also` done. */
  begin(everyMs: number, also: () => void): void {
    const { scheduler } = this.#world;
    scheduler.after(everyMs, () => {
      also();
      for (const site of this.#world.dataNames) void this.#look(site);
      this.begin(everyMs, also);
    });
  }

  async #look(site: string): Promise<void> {
    await this.#checkAsOf(site);
    const seen = await this.#get<Positions>(site, `/v1/internal/positions/${KEYSPACE}`);
    if (seen === null) return;
    this.#tombstoneGc.check(site, seen.forgotten);
    const at = JSON.stringify(seen.positions);
    if (this.#lookedAt.get(site) === at) return;
    this.#lookedAt.set(site, at);
    await this.#checkDigest(site);
    await this.#checkAccepted(site);
    for (const [origin, partitions] of Object.entries(seen.positions))
      partitions.forEach((text, partition) => {
        this.#checkApplied(site, origin, partition, text);
        this.#checkOrder(site, seen, partition, text);
      });
  }

  /** I11: what readers are told, whichever process of the site answers, as long as its disks are what they were. */
  async #checkAsOf(site: string): Promise<void> {
    const { app, process } = this.#world.exchange.server(site) ?? {};
    const { disks } = this.#world.site(site);
    const response = await app?.inject({ method: 'GET', url: `/v1/${KEYSPACE}/t/rows/${KEYS[0]}` });
    if (response === undefined || process?.isDead !== false || disks !== this.#world.site(site).disks) return;
    if (response.statusCode !== 200 && response.statusCode !== 404) return;
    const told = response.headers['tidemark-as-of'];
    const asOf = typeof told === 'string' ? told : '0.0';
    const before = this.#asOf.get(site);
    if (before?.disks === disks && isEarlier(asOf, before.asOf))
      this.#world.fail('I11', `asOf of ${site} went from ${before.asOf} back to ${asOf}`);
    this.#asOf.set(site, { asOf, disks });
  }

  /** I7, and so I6: whoever applied the same records, in whatever order and however often, holds the same. */
  async #checkDigest(site: string): Promise<void> {
    const isForgetful = this.#world.shape.forgetsAfterMs !== null;
    const digest = await this.#digest(site, isForgetful ? EVERYTHING : null);
    if (digest === null) return;
    const at = JSON.stringify(digest.positions);
    const hashes = hashesOf(digest);
    const known = this.#digests.get(at) ?? { hashes, site };
    this.#digests.set(at, known);
    if (known.hashes !== hashes)
      this.#world.fail('I7', `${site} holds ${hashes} at ${at}, ${known.site} ${known.hashes}`);
  }

  /** I14: what a site says it has accepted of an origin is what its log holds, each record once and in its turn. */
  async #checkAccepted(site: string): Promise<void> {
    const held = await this.#get<Held>(site, `/v1/internal/copies/${KEYSPACE}`);
    for (const { origin, positions } of held?.copies ?? [])
      for (const [partition, [epoch, seq, chain]] of positions.entries()) {
        if (epoch === 0 || seq < 0) continue;
        const name = { keyspace: KEYSPACE, origin, partition };
        const isThere = this.#copies.copy(site, name).hasHeld(epoch, seq);
        if (isThere && this.#copies.at(KEYSPACE, epoch, partition, seq)?.envelope.chain === chain) continue;
        this.#world.fail(
          'I14',
          `${site} has ${origin}/${partition} up to ${epoch}:${seq}, which its log does not hold`,
        );
      }
  }

  /** I17: what a store holds is a record that was accepted, by k + 1 sites. */
  #checkApplied(site: string, origin: string, partition: number, text: string): void {
    const { epoch, seq } = positionOf(text);
    if (seq < 0 || epoch === 0) return;
    const known = this.#copies.at(KEYSPACE, epoch, partition, seq);
    if (known === null) this.#world.fail('I5', `${site} applied ${origin}/${partition} to ${text}, which no log holds`);
    else if (known.sites.size <= this.#k) {
      const words = `${site} applied ${origin}/${partition} to ${text}, held only by ${[...known.sites].join(', ')}`;
      this.#world.fail('I17', words);
    }
  }

  /** I3: a store goes on to an epoch only where the one before it has ended for it. */
  #checkOrder(site: string, { positions }: Positions, partition: number, text: string): void {
    const { epoch, seq } = positionOf(text);
    const before = seq < 0 ? null : this.#copies.before(KEYSPACE, partition, epoch);
    if (before === null || before.seq < 0) return;
    const at = positionOf(positions[before.origin]?.[partition] ?? '0:-1');
    if (at.epoch > before.epoch || (at.epoch === before.epoch && at.seq >= before.seq)) return;
    const wanted = `${before.epoch}:${before.seq} of ${before.origin}`;
    this.#world.fail('I3', `${site} applied partition ${partition} to ${text}, without ${wanted} before it`);
  }

  #digest(site: string, gcWatermark: string | null): Promise<Digest | null> {
    const at = gcWatermark === null ? '' : `?gcWatermark=${gcWatermark}`;
    return this.#get<Digest>(site, `/v1/internal/digest/${KEYSPACE}${at}`);
  }

  /** The latest gcWatermark that a site has forgotten deletes below. */
  async #gcWatermark(): Promise<string | null> {
    let latest: string | null = null;
    for (const site of this.#world.dataNames) {
      const gcWatermark = (await this.#digest(site, null))?.gcWatermark ?? null;
      if (gcWatermark !== null && (latest === null || isEarlier(latest, gcWatermark))) latest = gcWatermark;
    }
    return latest;
  }

  /**
   * I20: every site holds the same, and what was acked last: sites of which none has applied it yet are equal, too.
   * @param token of that write; null: none was acked
   */
  async areEqual(token: string | null): Promise<boolean> {
    const found: (string | null)[] = [];
    const gcWatermark = await this.#gcWatermark();
    for (const site of this.#world.dataNames) {
      const digest = await this.#digest(site, gcWatermark);
      const hashes = digest === null ? null : hashesOf(digest);
      this.#seen.set(
        site,
        digest === null ? `does not answer: ${this.#refusal}` : `${hashes} ${JSON.stringify(digest.positions)}`,
      );
      found.push(digest !== null && isApplied(digest, token) ? hashes : null);
    }
    this.difference = [...this.#seen].map(([site, what]) => `${site}: ${what}`).join('; ');
    return found.every((one) => one !== null && one === found[0]);
  }

  async #get<T>(site: string, path: string): Promise<T | null> {
    const server = this.#world.exchange.server(site);
    if (server === null || server.process.isPaused) return null;
    const response = await server.app.inject({ method: 'GET', url: path });
    if (response.statusCode === 200) return JSON.parse(response.payload) as T;
    this.#refusal = response.payload;
    return null;
  }
}

/** Whether a site has come as far as the write of the token, or into a later epoch of its origin. */
function isApplied({ positions }: Digest, token: string | null): boolean {
  if (token === null) return true;
  const wanted = parseToken(token);
  return [...wanted.positions].every(
    ([partition, at]) => comparePositions(positionOf(positions[wanted.origin]?.[partition] ?? '0:-1'), at) >= 0,
  );
}

function hashesOf({ tables }: Digest): string {
  const hashes = Object.entries(tables).map(([name, { hash }]) => `${name} ${hash.slice(0, 8)}`);
  return hashes.join();
}

function positionOf(text: string): Position {
  const [epoch, seq] = text.split(':').map(Number) as [number, number];
  return { epoch, seq };
}

function isEarlier(one: string, other: string): boolean {
  const [ms, counter] = one.split('.').map(Number) as [number, number];
  const [otherMs, otherCounter] = other.split('.').map(Number) as [number, number];
  return ms < otherMs || (ms === otherMs && counter < otherCounter);
}
