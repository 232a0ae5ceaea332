/**
 * Rule 23: the leading writer changes k. No such change of the register is offered by the product yet; it is searched
 * here as the rule says it, so that what is built will have been.
 */

import { newestTerm } from '@tidemark/control/consensus/register-value';
import { holdersOf } from '@tidemark/control/failover/election';
import type { Move } from './move.ts';
import type { State, WriterState } from './state.ts';
import type { World } from './world.ts';

export function changeMoves(world: World, s: State, moves: Move[], writer: WriterState, epoch: number): void {
  const to = world.scope.change;
  if (to === null) return;
  const view = world.views.at(writer.view);
  const seen = (changed: Partial<typeof view>): State => {
    const next = world.views.idOf({ ...view, ...changed });
    return world.withWriter(s, epoch, { ...writer, view: next });
  };
  if (view.joint === null) {
    if (view.k !== to) moves.push({ words: `writer ${epoch} begins to change k to ${to}`, next: seen({ joint: to }) });
    return;
  }
  const value = world.registers.at(s.register);
  if (!view.checked) {
    const acked = world.partitions.map((partition) => {
      const records = world.ackedAt(s, epoch, partition);
      const chain = records === '' ? '' : world.records.chainOf(records.at(-1)!);
      return { seq: records.length - 1, chain };
    });
    const known = { ...value, terms: value.terms.filter((term) => term.epoch <= epoch) };
    const copies = world.sites.map((site) => world.copiesOf(s, site));
    if (holdersOf(known, acked, copies).filter(({ counts }) => counts).length <= to) return;
    moves.push({ words: `writer ${epoch} finds all acked at ${to + 1} sites`, next: seen({ checked: true }) });
    return;
  }
  if (value.election !== null || newestTerm(value)?.epoch !== epoch) return;
  const register = world.registerId({ ...value, ack: { name: 'sync', k: to } });
  const next = { ...seen({ k: to, joint: null, checked: false }), register };
  moves.push({ words: `writer ${epoch} changes k to ${to}`, next });
}
