/** Everything there is in a simulated run, made from one seed. */

import { Chances } from './chances.ts';
import { Exchange } from './cluster/exchange.ts';
import { Links } from './cluster/links.ts';
import { Scheduler } from './cluster/scheduler.ts';
import { SimSite } from './cluster/sim-site.ts';
import type { Sign } from './faults/sim-fault.ts';
import { type Shape, sitesOf } from './shape.ts';
import { Trace } from './trace.ts';

/** A promise that was broken. `rule`: an invariant's number, or what else names it. */
export type Violation = { readonly rule: string; readonly words: string; readonly atMs: number };

export class SimWorld {
  readonly scheduler = new Scheduler();
  readonly trace = new Trace(() => this.scheduler.nowMs);
  readonly random: Chances;
  readonly links: Links;
  readonly exchange: Exchange;
  readonly siteNames: readonly string[];
  /** Sites that hold data; the others are witnesses. */
  readonly dataNames: readonly string[];
  readonly shape: Shape;
  readonly violations: Violation[] = [];
  /** Columns that the table was to get meanwhile: how many, and those that it has for sure. */
  readonly columns = { asked: 0, there: new Set<string>() };
  /** Told of the fields of every line that a process logs. */
  onLog: (site: string, fields: object) => void = () => {};
  readonly #sites: ReadonlyMap<string, SimSite>;
  readonly #waiting = new Set<{ readonly sign: Sign; readonly site: string; readonly work: (site: string) => void }>();

  constructor(seed: number, shape: Shape) {
    const siteNames = sitesOf(shape);
    this.random = new Chances(seed);
    this.siteNames = siteNames;
    this.shape = shape;
    this.dataNames = shape.data;
    this.links = new Links(this.scheduler, this.random.of('links'));
    const twice = this.random.of('twice');
    this.exchange = new Exchange(this.scheduler, this.links, () => twice.fraction());
    this.#sites = new Map(siteNames.map((name) => [name, new SimSite(this, name)]));
  }

  site(name: string): SimSite {
    return this.#sites.get(name)!;
  }

  sites(): SimSite[] {
    return [...this.#sites.values()];
  }

  /** Something of an election has become visible. */
  sign(sign: Sign, site: string): void {
    for (const waiting of [...this.#waiting])
      if (waiting.sign === sign && (waiting.site === '*' || waiting.site === site)) waiting.work(site);
  }

  /** Has `work` done at every such sign, of the site unless that is `*`. @returns what ends that */
  onSign(sign: Sign, site: string, work: (site: string) => void): () => void {
    const waiting = { sign, site, work };
    this.#waiting.add(waiting);
    return () => this.#waiting.delete(waiting);
  }

  /** A promise was broken; the first one ends the run. */
  fail(rule: string, words: string): void {
    this.violations.push({ rule, words, atMs: this.scheduler.nowMs });
    this.trace.note('world', `BROKEN ${rule}: ${words}`);
  }
}
