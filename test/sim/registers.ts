/**
 * Looks at what the control logs say was chosen: one value for each version, one writer for each epoch, each epoch
 * closed once, and records only of writers the register knows.
 */

import { decodeControl, isControl } from '@tidemark/control/control-record';
import type { RegisterValue } from '@tidemark/control/register-value';
import type { Envelope } from '@tidemark/schema/envelope';
import { topicNames } from '@tidemark/schema/table';

export class Registers {
  /** The newest value known to be chosen. */
  newest: RegisterValue | null = null;
  readonly #versions = new Map<number, string>();
  /** Epoch → site and writer, and where it ended. */
  readonly #writers = new Map<number, string>();
  readonly #cuts = new Map<number, string>();
  /** Site → identity its control log gave its acceptor last. */
  readonly #acceptors = new Map<string, string>();
  readonly #fail: (rule: string, words: string) => void;

  constructor(fail: (rule: string, words: string) => void) {
    this.#fail = fail;
  }

  /** A record of a control log. */
  take(site: string, topic: string, value: Uint8Array): void {
    if (topic !== topicNames.control || !isControl(value)) return;
    const { body } = decodeControl(value);
    if (body.kind === 'Acceptor') this.#acceptors.set(site, body.id);
    if (body.kind !== 'Chosen') return;
    const chosen = JSON.parse(body.value) as RegisterValue;
    this.#one(this.#versions, chosen.version, chosen.changeId, `version ${chosen.version} at ${site}`);
    for (const { epoch, site: origin, writerId, cuts } of chosen.reigns) {
      this.#one(this.#writers, epoch, `${origin} ${writerId}`, `writer of epoch ${epoch}`);
      if (cuts === null) continue;
      const where = cuts.map(({ seq, chain }) => `${seq} ${chain}`).join();
      this.#one(this.#cuts, epoch, where, `cut of epoch ${epoch}`);
    }
    if (this.newest === null || chosen.version > this.newest.version) this.newest = chosen;
  }

  #one(known: Map<number, string>, key: number, value: string, what: string): void {
    const before = known.get(key);
    if (before !== undefined && before !== value) this.#fail('I1', `${what}: ${before} and ${value}`);
    known.set(key, value);
  }

  /** At the end: no election is open, every member is trusted, every vote counts. @returns who is missing, in words */
  allCount(): string | null {
    const { newest } = this;
    if (newest === null) return 'nothing was chosen';
    if (newest.election !== null) return `an election of ${newest.election.site} is open`;
    const member = newest.members.find(({ state }) => state !== 'ACTIVE');
    if (member !== undefined) return `${member.site} is in ${member.state}`;
    const silent = [...this.#acceptors].find(([site, id]) => newest.acceptors[site] !== id);
    return silent === undefined ? null : `the vote of ${silent[0]} is not let in`;
  }

  /** At the end: every epoch that was begun is one the register gave to that writer. */
  checkStarts(starts: Iterable<Envelope>): void {
    for (const { epoch, origin, body } of starts) {
      if (body.kind !== 'EpochStart') continue;
      const named = this.#writers.get(epoch);
      const found = `${origin} ${body.writerId}`;
      if (named !== found) this.#fail('I1', `epoch ${epoch} was begun by ${found}, the register says ${named}`);
    }
  }
}
