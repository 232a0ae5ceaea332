/**
 * What other sites ask of this site's copies in an election and a rebuild: what they hold, to fence them, to fill them.
 * `/v1/internal/copies|fence|fill/{keyspace}`, and `/v1/internal/copies` of several; bodies and answers are JSON.
 */

import { whyNoFence, whyNoFill } from '@tidemark/control/consensus/register-tied';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { SiteCopies } from '@tidemark/control/failover/site-copies';
import { parsed } from '@tidemark/model/parsed';
import { type Answer, ROUTES } from '@tidemark/peer/routes';
import { Fault, isFault } from '@tidemark/platform/fault';
import type { FastifyInstance } from 'fastify';
import type { Mirror } from './mirror.ts';

const FILL_MS_MAX = 10_000;

/** Whether what is asked agrees with a keyspace's register. @throws {Fault} `conflict`: it does not. */
export type CheckTied = (
  keyspace: string,
  what: string,
  whyNot: (value: RegisterValue) => string | null,
) => Promise<void>;

type CopiesParts = {
  readonly checkTied: CheckTied;
  readonly site: string;
  /** Origin → this site's copy of it, of a keyspace. @throws {Fault} `unavailable`: it is not followed here (yet). */
  readonly copiesOf: (keyspace: string) => ReadonlyMap<string, Mirror>;
  /** Who vouches for the copy as far as its origin's term goes; null: nobody can. `epoch` null: the newest known. */
  readonly vouchedBy: (keyspace: string, copy: Mirror, epoch: number | null) => string | null;
};

/** Adds the routes; a fence is written only where the register names the election it is for. */
export function registerCopiesRoutes(app: FastifyInstance, parts: CopiesParts): void {
  type Params = { keyspace: string };
  app.get<{ Params: Params }>(ROUTES.copies.path, ({ params }): Promise<Answer<typeof ROUTES.copies>> => {
    return tell(parts, params.keyspace);
  });
  app.post(ROUTES.allCopies.path, async ({ body }): Promise<Answer<typeof ROUTES.allCopies>> => {
    const { keyspaces } = parsed(ROUTES.allCopies.asks, body, 'request for copies');
    const answers = await Promise.all(
      keyspaces.map(async (keyspace) => [keyspace, await told(parts, keyspace)] as const),
    );
    return { answers: Object.fromEntries(answers.flatMap(([of, copies]) => (copies === null ? [] : [[of, copies]]))) };
  });
  app.post<{ Params: Params }>(ROUTES.fence.path, async (request): Promise<Answer<typeof ROUTES.fence>> => {
    const { keyspace } = request.params;
    const { origin, ...fence } = parsed(ROUTES.fence.asks, request.body, 'fence request');
    const copies = parts.copiesOf(keyspace);
    const copy = copyOf(parts, copies, keyspace, origin);
    await parts.checkTied(keyspace, 'fence', (value) => whyNoFence(value, { origin, ...fence }));
    await copy.fence(fence);
    const partitions = copy.heads();
    const { logId } = copy;
    const vouched = parts.vouchedBy(keyspace, copy, fence.closes);
    return { site: parts.site, origin, logId, trusted: logId !== '', partitions, logIds: logIdsOf(copies), vouched };
  });
  app.post<{ Params: Params }>(ROUTES.fill.path, async (request): Promise<Answer<typeof ROUTES.fill>> => {
    const { keyspace } = request.params;
    const { origin, epoch, epochEnds, from } = parsed(ROUTES.fill.asks, request.body, 'fill request');
    const copy = copyOf(parts, parts.copiesOf(keyspace), keyspace, origin);
    await parts.checkTied(keyspace, 'fill', (value) => whyNoFill(value, { origin, epoch, epochEnds }));
    const complete = await copy.fill(epoch, epochEnds, from, FILL_MS_MAX);
    return { complete };
  });
}

/** Null: it cannot be told now; asked for alone, it is said why. */
async function told(parts: CopiesParts, keyspace: string): Promise<SiteCopies | null> {
  try {
    return await tell(parts, keyspace);
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

async function tell({ site, copiesOf, vouchedBy }: CopiesParts, keyspace: string): Promise<SiteCopies> {
  const copies = copiesOf(keyspace);
  // What the writer has appended since is this site's own too.
  await copies.get(site)?.catchUp();
  return {
    site,
    copies: [...copies.values()].map((copy) => ({
      origin: copy.origin,
      logId: copy.logId,
      trusted: copy.logId !== '',
      vouched: vouchedBy(keyspace, copy, null),
      stranded: copy.stranded,
      fencedBelow: copy.fencedBelow,
      positions: copy.heads().map(({ epoch, seq, chain }) => [epoch, seq, chain] as const),
    })),
  };
}

function logIdsOf(copies: ReadonlyMap<string, Mirror>): Record<string, string> {
  return Object.fromEntries([...copies].map(([origin, copy]) => [origin, copy.logId]));
}

function copyOf({ site }: CopiesParts, copies: ReadonlyMap<string, Mirror>, keyspace: string, origin: string): Mirror {
  const copy = copies.get(origin);
  if (copy !== undefined) return copy;
  const expected = [...copies.keys()].join(', ');
  const message = `site ${site} holds no copy of ${keyspace} from "${origin}"; it has ${expected}`;
  throw new Fault('notFound', message, { got: origin, expected });
}
