/** `/metrics`: what this process and its site measure, in Prometheus's text format. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { SeenSite } from '@tidemark/watchdog/detect/heartbeat-monitor';
import type { IngestFacts, SiteFacts } from '@tidemark/watchdog/facts';

const UTILIZATION_SAMPLE_MS = 10_000;
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Metrics of the process: one set, however many sites a test runs in it. */
let ofProcess: Registry | null = null;

function processRegistry(): Registry {
  if (ofProcess !== null) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess, eventLoopUtilizationTimeout: UTILIZATION_SAMPLE_MS });
  // The library's sampler tells how often it samples, not how late the loop is, and begins with NaN; ours is
  // tidemark_loop_lag_seconds.
  for (const { name } of ofProcess.getMetricsAsArray())
    if (name.startsWith('nodejs_eventloop_lag')) ofProcess.removeSingleMetric(name);
  return ofProcess;
}

type MetricsParts = {
  readonly facts: () => SiteFacts;
  readonly seen: () => readonly SeenSite[];
  /** Keyspaces defined differently at two sites. */
  readonly conflicts: () => number;
  /** Bytes that the process may hold at most, by what holds them. */
  readonly memoryBudget: () => Readonly<Record<string, number>>;
  /** Bytes that are held now, of those of whom that is known. */
  readonly memoryHeld: () => Readonly<Record<string, number>>;
  /** Log lines that were lost on their way. */
  readonly logDropped: () => number;
};

type Labels = Record<string, string>;
type Sample = readonly [labels: Labels, value: number | null];

/** The metrics of one process; values of the services are read when somebody asks for them. */
export class SiteMetrics {
  readonly #parts: MetricsParts;
  readonly #registry = new Registry();
  readonly #requests: Histogram<'route'>;
  readonly #answers: Counter<'route' | 'status'>;
  /** Read once for each scrape. */
  #facts: SiteFacts;

  constructor(parts: MetricsParts) {
    this.#parts = parts;
    this.#facts = parts.facts();
    const registers = [this.#registry];
    this.#requests = new Histogram({
      name: 'tidemark_http_request_seconds',
      help: 'Time from a request to the end of its answer.',
      labelNames: ['route'],
      buckets: REQUEST_SECONDS,
      registers,
    });
    this.#answers = new Counter({
      name: 'tidemark_http_answers_total',
      help: 'Answers by route and status.',
      labelNames: ['route', 'status'],
      registers,
    });
    this.#sites();
    this.#keyspaces();
    this.#origins();
  }

  /** Counts an answer. @param route its pattern, not its path: paths are without end */
  answered(route: string, status: number, ms: number): void {
    this.#requests.observe({ route }, ms / 1000);
    this.#answers.inc({ route, status: String(status) });
  }

  async render(): Promise<{ type: string; text: string }> {
    this.#facts = this.#parts.facts();
    const texts = await Promise.all([processRegistry().metrics(), this.#registry.metrics()]);
    return { type: this.#registry.contentType, text: texts.join('\n') };
  }

  #sites(): void {
    this.#gauge('tidemark_loop_lag_seconds', 'Longest hold-up of the event loop in the last second.', [], () => [
      [{}, this.#facts.loopLagMs / 1000],
    ]);
    this.#gauge('tidemark_site_alive', '1 for a site whose heartbeats arrive, 0 otherwise.', ['site'], () =>
      this.#parts.seen().map(({ site, state }) => [{ site }, state === 'alive' ? 1 : 0]),
    );
    const lines = 'Lines of the log that could not be written.';
    this.#count('tidemark_log_lines_dropped_total', lines, [], () => [[{}, this.#parts.logDropped()]]);
    const budget = 'Bytes of memory that the process may hold at most, by what holds them.';
    this.#gauge('tidemark_memory_budget_bytes', budget, ['of'], () =>
      Object.entries(this.#parts.memoryBudget()).map(([of, bytes]) => [{ of }, bytes]),
    );
    this.#gauge('tidemark_memory_held_bytes', 'Bytes of it that are held now, where they are counted.', ['of'], () =>
      Object.entries(this.#parts.memoryHeld()).map(([of, bytes]) => [{ of }, bytes]),
    );
    this.#gauge('tidemark_catalog_conflicts', 'Keyspaces that two sites define differently.', [], () => [
      [{}, this.#parts.conflicts()],
    ]);
  }

  #keyspaces(): void {
    const each = (value: (facts: SiteFacts['keyspaces'][number]) => number | null) => (): Sample[] =>
      this.#facts.keyspaces.map((facts) => [{ keyspace: facts.keyspace }, value(facts)]);
    const labels = ['keyspace'];
    const running = each((facts) => (facts.state === 'running' ? 1 : 0));
    this.#gauge('tidemark_keyspace_running', '1 once a keyspace runs at this site.', labels, running);
    const epoch = each((facts) => facts.writer?.epoch ?? null);
    this.#gauge('tidemark_writer_epoch', 'Epoch of the writer here; absent where none writes.', labels, epoch);
    const pending = each((facts) => facts.writer?.pendingBytes ?? null);
    this.#gauge('tidemark_writer_pending_bytes', 'Bytes of writes waiting for their ack.', labels, pending);
    const asOf = each((facts) => (facts.asOfMs === null ? null : facts.asOfMs / 1000));
    this.#gauge('tidemark_as_of_timestamp_seconds', 'Moment up to which everything is applied.', labels, asOf);
    const ingest = (field: keyof IngestFacts) => each((facts) => facts.writer?.ingest?.[field] ?? null);
    const counts = {
      read: ['records', 'Records of the ingest topic that were dealt with, by the writer here.'],
      rows: ['accepted', 'Rows written from the ingest topic.'],
      rejected: ['rejected', 'Records of the ingest topic that were set aside, each with its reason.'],
      missed: ['missed', 'Records of the ingest topic that were trimmed before they were read.'],
    } as const;
    for (const [field, [name, help]] of Object.entries(counts))
      this.#count(`tidemark_ingest_${name}_total`, help, labels, ingest(field as keyof typeof counts));
    const waiting = 'Records of the ingest topic that wait; absent while unknown.';
    this.#gauge('tidemark_ingest_lag_records', waiting, labels, ingest('lagRecords'));
  }

  #origins(): void {
    type Origin = SiteFacts['keyspaces'][number]['origins'][number];
    type Copy = SiteFacts['keyspaces'][number]['copies'][number];
    const labels = ['keyspace', 'origin'];
    const applied = (value: (origin: Origin) => number | null) => (): Sample[] =>
      this.#parts
        .facts()
        .keyspaces.flatMap(({ keyspace, origins }) =>
          origins.map((one): Sample => [{ keyspace, origin: one.origin }, value(one)]),
        );
    const copied = (value: (copy: Copy) => number | null) => (): Sample[] =>
      this.#parts
        .facts()
        .keyspaces.flatMap(({ keyspace, copies }) =>
          copies.map((one): Sample => [{ keyspace, origin: one.origin }, value(one)]),
        );
    const lag = applied((one) => (one.lag.lagMs === null ? null : one.lag.lagMs / 1000));
    this.#gauge('tidemark_lag_seconds', 'Behind the origin; absent while unknown, never 0 then.', labels, lag);
    for (const name of ['records', 'rows', 'duplicate', 'ignored', 'alarmed'] as const) {
      const help = `Applier: ${name === 'alarmed' ? 'records that should not have been there' : name}, by origin.`;
      this.#count(
        `tidemark_applier_${name}_total`,
        help,
        labels,
        applied((one) => one[name]),
      );
    }
    const stopped = applied((one) => one.stopped.length);
    this.#gauge('tidemark_applier_stopped', 'Partitions whose reading stopped for good.', labels, stopped);
    const behind = copied((one) => one.behindRecords);
    this.#gauge('tidemark_mirror_behind_records', 'Records not copied yet; absent while unknown.', labels, behind);
    const ignored = copied((one) => one.ignored);
    this.#count('tidemark_mirror_ignored_total', 'Records the mirror ignored.', labels, ignored);
    const held = copied((one) => one.held.length);
    const heldHelp = 'Partitions whose source has not got what comes next, or whose copy was trimmed.';
    this.#gauge('tidemark_mirror_held', heldHelp, labels, held);
    const halted = copied((one) => one.stopped.length);
    this.#gauge('tidemark_mirror_stopped', 'Partitions whose copying stopped for good.', labels, halted);
  }

  /** What only grows while the process that counts lives. */
  #count(name: string, help: string, labelNames: string[], read: () => Sample[]): void {
    const counter: Counter<string> = new Counter({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        if (labelNames.length === 0) counter.remove();
        for (const [labels, value] of read()) if (value !== null) counter.inc(labels, value);
      },
    });
  }

  /** Read at each scrape; a sample of null is left out, so that unknown never looks like a number. */
  #gauge(name: string, help: string, labelNames: string[], read: () => Sample[]): void {
    const gauge: Gauge<string> = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        if (labelNames.length === 0) gauge.remove();
        for (const [labels, value] of read()) if (value !== null) gauge.set(labels, value);
      },
    });
  }
}
