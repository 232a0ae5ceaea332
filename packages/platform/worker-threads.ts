/**
 * Other threads of the process, asked by messages: what is posted is copied, shared memory is shared. The one file that
 * imports node:worker_threads.
 */

import { parentPort, Worker, workerData } from 'node:worker_threads';
import { Fault, type FaultDetails, type FaultKind, isFault, messageOf } from './fault.ts';

/** What a thread answers a call with. */
type Reply = { readonly value: unknown } | { readonly error: Thrown };
type Thrown = { readonly message: string; readonly fault: { kind: FaultKind; details: FaultDetails } | null };

type Call = {
  readonly message: unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

/** Some threads that run the same script. They start when there is work, and do one call at a time each. */
export class WorkerThreads implements AsyncDisposable {
  readonly #script: URL;
  readonly #setting: unknown;
  readonly #countMax: number;
  readonly #idle: Worker[] = [];
  /** What each thread that is at work is doing. */
  readonly #busy = new Map<Worker, Call>();
  /** Waits for a thread. */
  readonly #waiting: Call[] = [];
  #isClosed = false;

  /** @param script calls `answerCalls` @param setting what its threads are given at their start */
  constructor(script: URL, setting: unknown, countMax: number) {
    this.#script = script;
    this.#setting = setting;
    this.#countMax = countMax;
  }

  /**
   * Has a thread answer.
   * @throws what the answer throws: a Fault as it is, of anything else the message. {Fault} `unknown`: the thread ended
   *   before it answered. `unavailable`: closed.
   */
  call(message: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject });
      this.#next();
    });
  }

  /** Ends all threads, whatever they are doing. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
    const workers = [...this.#idle, ...this.#busy.keys()];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#isClosed) for (const { reject } of this.#waiting.splice(0)) reject(closed());
    if (this.#waiting.length === 0) return;
    const worker = this.#idle.pop() ?? (this.#busy.size < this.#countMax ? this.#start() : null);
    if (worker === null) return;
    const call = this.#waiting.shift()!;
    this.#busy.set(worker, call);
    // One that is at work keeps the process alive; an idle one does not.
    worker.ref();
    worker.postMessage(call.message);
  }

  #start(): Worker {
    const worker = new Worker(this.#script, { workerData: this.#setting });
    let failure: unknown = null;
    worker.on('message', (reply: Reply) => this.#answered(worker, reply));
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', (code) => this.#ended(worker, failure === null ? `exit code ${code}` : messageOf(failure)));
    return worker;
  }

  #answered(worker: Worker, reply: Reply): void {
    const call = this.#busy.get(worker)!;
    this.#busy.delete(worker);
    worker.unref();
    this.#idle.push(worker);
    if ('value' in reply) call.resolve(reply.value);
    else call.reject(rebuilt(reply.error));
    this.#next();
  }

  /** Nothing of it runs any more. */
  #ended(worker: Worker, reason: string): void {
    const call = this.#busy.get(worker);
    this.#busy.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at !== -1) this.#idle.splice(at, 1);
    call?.reject(this.#isClosed ? closed() : new Fault('unknown', `a thread ended before it answered: ${reason}`));
    this.#next();
  }
}

/** In the script of a thread: answers what it is called with. @param answer given the message and the threads' setting */
export function answerCalls(answer: (message: unknown, setting: unknown) => Promise<unknown>): void {
  const port = parentPort;
  if (port === null) throw new Error('answerCalls: this is the process itself, not one of its threads');
  port.on('message', (message: unknown) => {
    void answer(message, workerData)
      .then(
        (value): Reply => ({ value }),
        (error: unknown): Reply => ({ error: thrown(error) }),
      )
      .then((reply) => port.postMessage(reply));
  });
}

function thrown(error: unknown): Thrown {
  const fault = isFault(error) ? { kind: error.kind, details: error.details } : null;
  return { message: messageOf(error), fault };
}

function rebuilt({ message, fault }: Thrown): Error {
  return fault === null ? new Error(message) : new Fault(fault.kind, message, fault.details);
}

function closed(): Fault {
  return new Fault('unavailable', 'the threads are closed');
}
