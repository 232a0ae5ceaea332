/** The requests of a term by their keys: those that are under way, and those that the log has, of every partition. */

import type { Keyspace } from '@tidemark/model/table';
import type { Slice } from '../ingress/slice.ts';
import type { Entry } from './appender.ts';
import { isSame, mayFollow, type Request, refuseOld, refuseOther, requestIn } from './request.ts';
import type { RequestWindow, Seen } from './request-window.ts';

/** Two sites whose clocks are right differ by less: so much earlier than it seems here a request may have been stamped. */
const CLOCKS_APART_MS = 1_000;

/** What is known of a request, and since when. */
type Known = { readonly request: Request; readonly sinceMs: number };

/** The idempotency keys of one term (protocol rule 19); keys are remembered for a window of time, then forgotten. */
export class RequestBook {
  readonly #windows: readonly RequestWindow[];
  /** By partition: requests in line or on their way to the log. */
  readonly #underWay: readonly Map<string, Entry>[];

  constructor(windows: readonly RequestWindow[]) {
    this.#windows = windows;
    this.#underWay = windows.map(() => new Map());
  }

  /**
   * Looks whether a batch's key stands for this batch and no other (rule 19), before any of it is put in line.
   * @param keyAgeMs how long ago the sender sent it for the first time; null when it does not say
   * @throws {Fault} `keyReused`: it stands for another batch; `keyForgotten`: it may have been forgotten
   */
  check(keyspace: Keyspace, slices: readonly Slice[], keyAgeMs: number | null, nowMs: number): void {
    const body = slices[0]?.body;
    const request = body === undefined ? null : requestIn(body);
    if (body === undefined || request === null) return;
    const batchId = body.requestId.slice(0, body.requestId.lastIndexOf('.'));
    const at = batchId.lastIndexOf('/');
    const key = batchId.slice(0, at);
    const known = this.#anywhere(batchId);
    if (known !== null && !isSame(known.request, request)) refuseOther(keyspace, key, known.request, request);
    const first = known === null && batchId.slice(at + 1) !== '0' ? this.#anywhere(`${key}/0`) : null;
    if (first !== null && !mayFollow(first.request, request)) refuseOther(keyspace, key, first.request, request);
    const isFirst = keyAgeMs === null || keyAgeMs === 0;
    const sinceMs = known?.sinceMs ?? (isFirst ? Number.POSITIVE_INFINITY : nowMs - keyAgeMs - CLOCKS_APART_MS);
    for (const slice of slices) {
      const { forgottenMs } = this.#windows[slice.partition]!;
      if (sinceMs >= forgottenMs || this.#isKnown(slice)) continue;
      refuseOld(key, isFirst ? nowMs - sinceMs : keyAgeMs, nowMs - forgottenMs);
    }
  }

  /** A batch's first part, in whichever partition it is known. */
  #anywhere(batchId: string): Known | null {
    const requestId = `${batchId}.0`;
    for (const [partition, window] of this.#windows.entries()) {
      const underWay = this.#underWay[partition]!.get(requestId)?.request ?? null;
      if (underWay !== null) return { request: underWay, sinceMs: Number.POSITIVE_INFINITY };
      const seen = window.find(requestId);
      if (seen !== null && seen.request !== null) return { request: seen.request, sinceMs: seen.stampMs };
    }
    return null;
  }

  #isKnown({ partition, body: { requestId } }: Slice): boolean {
    return this.#underWay[partition]!.has(requestId) || this.#windows[partition]!.find(requestId) !== null;
  }

  underWay(partition: number, requestId: string): Entry | null {
    return this.#underWay[partition]!.get(requestId) ?? null;
  }

  seen(partition: number, requestId: string): Seen | null {
    return this.#windows[partition]!.find(requestId);
  }

  /** It stands in line from now on. */
  begin(partition: number, entry: Entry): void {
    if (entry.requestId !== '') this.#underWay[partition]!.set(entry.requestId, entry);
  }

  /** It is in the log. */
  stored(partition: number, { requestId, request, rowCount, seq, stampMs }: Entry, epoch: number): void {
    if (requestId === '') return;
    this.#underWay[partition]!.delete(requestId);
    this.#windows[partition]!.add(requestId, { request, rowCount, position: { epoch, seq }, stampMs });
  }

  /** It was taken out of the line. */
  cancelled(partition: number, { requestId }: Entry): void {
    this.#underWay[partition]!.delete(requestId);
  }
}
