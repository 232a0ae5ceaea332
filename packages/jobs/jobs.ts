/** Work that outlives the request which asked for it: an id at once, progress for whoever asks, and how it ended. */

import type { Clock } from '@tidemark/platform/clock';
import { Fault, messageOf } from '@tidemark/platform/fault';
import { Progress } from '@tidemark/platform/progress';
import type { Random } from '@tidemark/platform/random';

/** Finished jobs that are remembered. */
const FINISHED_MAX = 100;
const RUNNING_MAX = 8;
/** Progress is told to those who follow at most this often. */
const LINE_MS = 250;
/** A line is repeated after this long: whoever follows takes 10 s of silence for a site that is gone. */
const SILENCE_MS_MAX = 3_000;

/** What a job is and how far it is; the fields of its kind beside `id`, `kind` and `state`. */
export type JobFacts = {
  readonly id: string;
  readonly kind: string;
  readonly state: 'running' | 'done' | 'failed';
} & Readonly<Record<string, unknown>>;

/** What a job does: it tells of progress as JSON facts, and resolves with its last ones. */
export type JobWork = (tell: (facts: object) => void, signal: AbortSignal) => Promise<object>;

type Job = { facts: JobFacts; readonly news: Progress };

/** The jobs of one process, in memory: a bounded number running, and the newest of those that ended. */
export class Jobs {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #jobs = new Map<string, Job>();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Starts work and returns its id. The last thing `work` tells, or what it resolves with, stays readable.
   * @throws {Fault} `unavailable`: too many are running.
   */
  start(kind: string, asked: object, work: JobWork): string {
    if (this.#running.size >= RUNNING_MAX) {
      throw new Fault('unavailable', `${this.#running.size} jobs are running, at most ${RUNNING_MAX} at once`, {
        got: this.#running.size,
        expected: RUNNING_MAX,
        retryAfterMs: 1_000,
      });
    }
    const id = this.#random.id();
    const job: Job = { facts: { ...asked, id, kind, state: 'running' }, news: new Progress(this.#clock) };
    this.#forgetOld();
    this.#jobs.set(id, job);
    const run = this.#run(job, work).finally(() => this.#running.delete(run));
    this.#running.add(run);
    return id;
  }

  async #run(job: Job, work: JobWork): Promise<void> {
    const tell = (facts: object, state: JobFacts['state'] = 'running'): void => {
      const { id, kind } = job.facts;
      job.facts = { ...job.facts, ...facts, id, kind, state };
      job.news.tell();
    };
    try {
      tell(await work((facts) => tell(facts), this.#stop.signal), 'done');
    } catch (error) {
      const known = error instanceof Fault ? { kind: error.kind, ...error.details } : { kind: 'unknown' };
      tell({ error: { ...known, message: messageOf(error) } }, 'failed');
    }
  }

  /** @throws {Fault} `notFound`: no such job here, or one forgotten. */
  get(id: string): JobFacts {
    return this.#job(id).facts;
  }

  #job(id: string): Job {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new Fault('notFound', `no job ${id} at this site`, { got: id });
    return job;
  }

  /** The facts now, again as they change, and at last as the job ended. */
  async *follow(id: string, signal: AbortSignal): AsyncGenerator<JobFacts> {
    const job = this.#job(id);
    while (!signal.aborted) {
      const { facts } = job;
      yield facts;
      if (facts.state !== 'running') return;
      await job.news.until(() => job.facts.state !== 'running', LINE_MS, signal);
      await job.news.until(() => job.facts !== facts, SILENCE_MS_MAX, signal);
    }
  }

  #forgetOld(): void {
    const finished = [...this.#jobs].filter(([, job]) => job.facts.state !== 'running');
    for (const [id] of finished.slice(0, Math.max(0, finished.length - FINISHED_MAX))) this.#jobs.delete(id);
  }

  /** Ends what is running and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
