/** The writer, mirror and applier of a site, those it has roles for. */

import type { ApplierService } from '@tidemark/applier/applier-service';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { CopyEnds } from '@tidemark/control/consensus/vouching';
import type { MirrorService } from '@tidemark/mirror/mirror-service';
import { comparePositions } from '@tidemark/model/position';
import type { WriterService } from '@tidemark/writer/writer-service';

/** The services this process runs; null for a role it does not have. */
export type Services = {
  readonly writer: WriterService | null;
  readonly mirror: MirrorService | null;
  readonly applier: ApplierService | null;
};

/** What this process cannot do of its duty though it runs, in words: what may not be read yet, what it applies no more. */
export function refusals({ mirror, applier }: Services): string[] {
  return [...(applier?.refusals() ?? []), ...(mirror?.unreadable() ?? [])];
}

/** What the services are told of the register. */
export function registerChanged({ writer, mirror, applier }: Services, value: RegisterValue): void {
  for (const { site: origin, epoch, epochEnds } of value.terms) {
    epochEnds?.forEach(({ seq }, partition) => {
      applier?.closed(value.keyspace, partition, origin, { epoch, seq });
    });
  }
  mirror?.registerChanged(value.keyspace);
  writer?.registerChanged(value);
}

/** Where this site's copy of the newest term's origin ends; its own log goes as far as its writer has stored. */
export function copyEnds({ mirror, writer }: Services, keyspace: string, value: RegisterValue | null): CopyEnds[] {
  const term = value?.terms.at(-1);
  const copy = term === undefined ? null : (mirror?.ends(keyspace, term.site) ?? null);
  if (copy === null) return [];
  const stored = writer?.stored(keyspace) ?? [];
  const ends = copy.ends.map((at, partition) => {
    const own = stored[partition];
    return own !== undefined && comparePositions(own, at) > 0 ? own : at;
  });
  return [{ ...copy, ends }];
}
