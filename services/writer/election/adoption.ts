/**
 * What an election does where the register is empty and the logs are not: the newest term found there is put into the
 * register once every member has told what it holds, and is then closed like any other. Where that cannot be, it waits.
 */

import { foundIn } from '@tidemark/control/consensus/founding';
import type { Register } from '@tidemark/control/consensus/register';
import { adoptTerm } from '@tidemark/control/consensus/register-changes';
import { type Election, type Member, newestTerm, type RegisterValue } from '@tidemark/control/consensus/register-value';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import type { Keyspace } from '@tidemark/model/table';
import type { Members } from './members.ts';

type AdoptionParts = {
  readonly keyspace: Keyspace;
  readonly register: Register;
  readonly members: Members;
  /** Waits a little, and tells what for. @returns why going on is useless; null: it is not */
  readonly again: (election: Election, why: string, remedy: string) => Promise<string | null>;
};

const PUT_BACK =
  'put the topic tidemark.control back at a majority of sites, from a copy; or export what the site that has it can still be read from, begin with empty logs and data folders, and load it';

/** @returns the value to go on with; or why the election is lost @throws {Fault} as the register's changes, and `again` */
export async function adoptFound(parts: AdoptionParts, value: RegisterValue): Promise<RegisterValue | string> {
  const { keyspace, register, members, again } = parts;
  const { election } = value;
  if (newestTerm(value) !== null || election === null) return value;
  const sites = value.members.map(({ site }) => site);
  for (;;) {
    const copies = await members.holdings(sites, (some) => some.length === sites.length);
    const found = foundIn(copies, keyspace.partitions);
    const silent = sites.filter((site) => copies.every((answer) => answer.site !== site)).join(', ');
    if (found.kind === 'nothing' && silent === '') return value;
    if (found.kind === 'term' && silent === '') {
      const { epoch, writerId } = election;
      const adoption = { epoch, writerId, found, members: copies.map(memberOf) };
      const changed = await register.change((now, changeId) => adoptTerm(now, changeId, adoption));
      return 'refused' in changed ? changed.refused : changed.value;
    }
    const what = found.kind === 'unclear' ? found.words : `${silent} did not say what it holds`;
    const why = `the register of ${keyspace.name} is empty, its logs may not be: ${what}`;
    const back = `bring ${silent} back: what it holds must not be written over`;
    const gone = await again(election, why, found.kind === 'unclear' ? PUT_BACK : back);
    if (gone !== null) return gone;
  }
}

function memberOf({ site, copies }: SiteCopies): Member {
  return { site, state: 'ACTIVE', logIds: Object.fromEntries(copies.map(({ origin, logId }) => [origin, logId])) };
}
