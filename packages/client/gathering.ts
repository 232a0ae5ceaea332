/**
 * Single calls that are made at the same time travel in few requests, and each is settled by its own outcome. A call
 * that is made while none is under way goes at once; others gather until a request is answered, a millisecond at most.
 */

import { nextTick } from 'node:process';
import type { Clock } from '@tidemark/platform/clock';
import { Fault, isFault, isRefusal } from '@tidemark/platform/fault';
import { Deadline } from './deadline.ts';

const GATHER_MS = 1;
/** A request with so much in it waits for no more. */
const CHARACTERS_MAX = 1024 * 1024;

/** One call: what it says, and with which others it may travel. */
export type Call<R> = {
  /** Calls of one group ask the same of the same table, and may travel together. */
  readonly group: string;
  readonly text: string;
  /** The row it changes: those that change one row are carried out in the order they were made. Null: it changes none. */
  readonly row: string | null;
  /** It gets a request of its own. */
  readonly isAlone: boolean;
  /** Aborted when its caller waits no more. */
  readonly signal: AbortSignal | undefined;
  /**
   * Sends the texts of several calls in one request.
   * @param givenUp aborted when nobody waits for any of them any more
   * @returns what became of each, in their order; a Fault for one that was refused by itself
   */
  readonly send: (texts: readonly string[], givenUp: AbortSignal) => Promise<readonly (R | Fault)[]>;
};

/** A call until it is settled. */
type Asked<R> = {
  readonly call: Call<R>;
  /** Once only: what comes later counts for nothing. */
  readonly settle: (outcome: R | Error) => void;
  isSettled: boolean;
  isAlone: boolean;
  /** What it travels in; null while it waits for an earlier call that changes its row. */
  batch: Batch<R> | null;
  /** Of one that waits so: its time goes on. */
  deadline: Deadline | null;
};

/** One request, before it is sent and until it is answered. */
type Batch<R> = {
  readonly group: string;
  readonly asked: Asked<R>[];
  characters: number;
  isSent: boolean;
  readonly givenUp: AbortController;
};

/** A row that calls change: those in the batch are on their way, the others wait until it is answered. */
type Line<R> = { readonly batch: Batch<R>; readonly waiting: Asked<R>[] };

type GatheringParts = {
  readonly clock: Clock;
  /** How long a call waits at most for earlier ones that change its row, and for its own answer. */
  readonly timeoutMs: number;
  /** A request of so many calls waits for no more. */
  readonly callsMax: number;
};

/** The calls of one connection that are on their way. */
export class Gathering<R> {
  readonly #parts: GatheringParts;
  /** By group: what gathers. */
  readonly #open = new Map<string, Batch<R>>();
  /** By group: requests that are not answered yet. */
  readonly #underWay = new Map<string, number>();
  readonly #lines = new Map<string, Line<R>>();
  #isClosed = false;

  constructor(parts: GatheringParts) {
    this.#parts = parts;
  }

  /**
   * What becomes of a call.
   * @throws what its request failed with. {Fault} Given up: `unavailable` before it was sent, then `unknown`.
   */
  ask(call: Call<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => this.#giveUp(asked, 'its caller waits no more');
      const settle = (outcome: R | Error): void => {
        if (asked.isSettled) return;
        asked.isSettled = true;
        asked.deadline?.[Symbol.dispose]();
        call.signal?.removeEventListener('abort', giveUp);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const asked: Asked<R> = { call, settle, isSettled: false, isAlone: call.isAlone, batch: null, deadline: null };
      call.signal?.addEventListener('abort', giveUp, { once: true });
      if (call.signal?.aborted === true) giveUp();
      else this.#place(asked);
    });
  }

  /** What was not sent is not sent any more. */
  close(): void {
    this.#isClosed = true;
    const gathered = [...this.#open.values()].flatMap((batch) => batch.asked);
    const waiting = [...this.#lines.values()].flatMap((line) => line.waiting);
    this.#open.clear();
    for (const { settle } of [...gathered, ...waiting]) settle(neverSent(CLOSED));
  }

  /** Puts it with what gathers, unless an earlier call that changes the same row is to be answered first. */
  #place(asked: Asked<R>): void {
    if (this.#isClosed) asked.settle(neverSent(CLOSED));
    if (asked.isSettled) return;
    const { group, row, text } = asked.call;
    const full = this.#open.get(group);
    if (full !== undefined && full.characters + text.length > CHARACTERS_MAX) void this.#send(full);
    const open = this.#open.get(group);
    const line = row === null ? undefined : this.#lines.get(row);
    if (line !== undefined && (asked.isAlone || line.batch !== open || line.waiting.length > 0)) {
      this.#hold(asked, line);
      return;
    }
    const batch = asked.isAlone ? emptyBatch<R>(group) : (open ?? this.#begin(group));
    batch.asked.push(asked);
    batch.characters += text.length;
    asked.batch = batch;
    if (row !== null && line === undefined) this.#lines.set(row, { batch, waiting: [] });
    if (asked.isAlone || batch.asked.length === this.#parts.callsMax) void this.#send(batch);
  }

  #hold(asked: Asked<R>, { waiting }: Line<R>): void {
    waiting.push(asked);
    asked.batch = null;
    if (asked.deadline !== null) return;
    const { clock, timeoutMs } = this.#parts;
    asked.deadline = new Deadline(clock, timeoutMs);
    const why = `${Math.round(timeoutMs)} ms are over, and earlier writes of its row came first`;
    asked.deadline.signal.addEventListener('abort', () => this.#giveUp(asked, why), { once: true });
  }

  /** What gathers from now on. */
  #begin(group: string): Batch<R> {
    const batch = emptyBatch<R>(group);
    this.#open.set(group, batch);
    if (!this.#underWay.has(group)) this.#sendSoon(batch);
    else void this.#parts.clock.sleep(GATHER_MS).then(() => this.#sendOpen(batch));
    return batch;
  }

  /** In this turn of the event loop, when everybody has gone on who does so in it: what they ask for goes along. */
  #sendSoon(batch: Batch<R>): void {
    nextTick(() => this.#sendOpen(batch));
  }

  #sendOpen(batch: Batch<R>): void {
    if (this.#open.get(batch.group) === batch) void this.#send(batch);
  }

  async #send(batch: Batch<R>): Promise<void> {
    const { group, givenUp } = batch;
    if (this.#open.get(group) === batch) this.#open.delete(group);
    const wanted = batch.asked.filter(({ isSettled }) => !isSettled);
    batch.isSent = true;
    let again: readonly Asked<R>[] = [];
    if (wanted.length > 0) {
      this.#underWay.set(group, (this.#underWay.get(group) ?? 0) + 1);
      again = await sendTogether(wanted, givenUp.signal);
      const left = this.#underWay.get(group)! - 1;
      if (left > 0) this.#underWay.set(group, left);
      else this.#underWay.delete(group);
    }
    this.#answered(batch, again);
  }

  /** Lets those go who waited for the batch, behind those of it that have to go again. */
  #answered(batch: Batch<R>, again: readonly Asked<R>[]): void {
    const freed = [...again];
    for (const { call } of batch.asked) {
      const line = call.row === null ? undefined : this.#lines.get(call.row);
      if (call.row === null || line?.batch !== batch) continue;
      this.#lines.delete(call.row);
      freed.push(...line.waiting);
    }
    for (const asked of freed) this.#place(asked);
    const open = this.#open.get(batch.group);
    if (open !== undefined) this.#sendSoon(open);
  }

  #giveUp(asked: Asked<R>, why: string): void {
    const { batch } = asked;
    if (batch?.isSent !== true) {
      asked.settle(neverSent(why));
      return;
    }
    asked.settle(new Fault('unknown', `given up, it may be stored: ${why}`));
    if (batch.asked.every(({ isSettled }) => isSettled)) batch.givenUp.abort(null);
  }
}

/**
 * Sends calls in one request, and settles them.
 * @returns those to be sent again, each by itself: together they were refused, so that nothing of them was done, and
 *   whose fault that was is not said; or they change nothing, and their answer broke off
 */
async function sendTogether<R>(wanted: readonly Asked<R>[], givenUp: AbortSignal): Promise<readonly Asked<R>[]> {
  const texts = wanted.map(({ call }) => call.text);
  try {
    const outcomes = await wanted[0]!.call.send(texts, givenUp);
    for (const [i, { settle }] of wanted.entries()) settle(outcomes[i]!);
    return [];
  } catch (error) {
    const isHarmless = isRefusal(error) || (isFault(error, 'unknown') && wanted.every(({ call }) => call.row === null));
    if (wanted.length > 1 && isHarmless) {
      for (const asked of wanted) asked.isAlone = true;
      return wanted;
    }
    for (const { settle } of wanted) settle(error as Error);
    return [];
  }
}

function emptyBatch<R>(group: string): Batch<R> {
  return { group, asked: [], characters: 0, isSent: false, givenUp: new AbortController() };
}

const CLOSED = 'the connection was closed';

function neverSent(why: string): Fault {
  return new Fault('unavailable', `given up before it was sent: ${why}`);
}
