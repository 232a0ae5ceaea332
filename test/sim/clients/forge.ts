/** Somebody who reaches a site asks it what no site would: votes, values, fences that no rule gave. */

import { COUNTER_MAX } from '@tidemark/control/consensus/ballot';
import type { RegisterAnswer } from '@tidemark/control/consensus/register-request';
import type { RegisterValue } from '@tidemark/control/consensus/register-value';
import type { SimFault } from '../faults/sim-fault.ts';
import type { SimWorld } from '../world.ts';
import { KEYSPACE } from './client.ts';

type Forged = { readonly path: string; readonly body: object };

/** One more change upon the value, as it would be told. */
function next(value: RegisterValue, changed: Partial<RegisterValue>): RegisterValue {
  const changes = [...value.changes, 'forged'].slice(-64);
  return { ...value, ...changed, version: value.version + 1, changeId: 'forged', changes };
}

/** The terms as if nothing of them counted. */
function cutBack({ terms }: RegisterValue): RegisterValue['terms'] {
  return terms.map((term) => ({
    ...term,
    epochEnds: (term.epochEnds ?? [{}, {}]).map(() => ({ seq: -1, chain: '' })),
  }));
}

function forgeries(value: RegisterValue, ballot: RegisterAnswer['promised']): (readonly Forged[])[] {
  const newest = value.terms.at(-1);
  const higher = { counter: ballot.counter + 1, site: 'forger', process: 'f' };
  const vote = (body: object): Forged => ({ path: 'register', body });
  const takenBack = next(value, { terms: cutBack(value) });
  const { epoch = 1, site = 'paris' } = newest ?? {};
  return [
    [vote({ kind: 'chosen', ballot: higher, value: next(value, { paused: !value.paused }) })],
    [vote({ kind: 'chosen', ballot: higher, value: takenBack })],
    [vote({ kind: 'prepare', ballot: higher }), vote({ kind: 'accept', ballot: higher, value: takenBack })],
    [vote({ kind: 'prepare', ballot: { ...higher, counter: COUNTER_MAX } })],
    [{ path: 'fence', body: { origin: site, closes: epoch, by: epoch + 1_000_000, nonce: 'f' } }],
    [
      {
        path: 'fill',
        body: { origin: site, epoch, epochEnds: [{ seq: 2 ** 40, chain: '' }], from: ['paris', 'tokyo'] },
      },
    ],
    [{ path: 'abdicate', body: { to: value.members.find((one) => one.site !== site)?.site ?? site } }],
    [{ path: 'nominate', body: { cause: 'failover', reason: 'f', version: value.version + 1, loss: null } }],
  ];
}

/** Every site is asked the same, so that a majority may fall for it. */
export async function forge(world: SimWorld, { salt }: SimFault & { readonly kind: 'forged' }): Promise<void> {
  const ask = (site: string, { path, body }: Forged) =>
    world.exchange
      .request('operator', site, { method: 'POST', path: `/v1/internal/${path}/${KEYSPACE}`, body }, 1_000)
      .catch(() => null);
  const from = world.siteNames[salt % world.siteNames.length]!;
  const told = (await ask(from, { path: 'register', body: { kind: 'read' } }))?.body as RegisterAnswer | undefined;
  if (told?.accepted == null) return;
  const all = forgeries(told.accepted.value, told.promised);
  for (const forged of all[salt % all.length]!) {
    const answers = await Promise.all(world.siteNames.map((site) => ask(site, forged)));
    world.trace.note('forger', `${forged.path}: ${answers.map((answer) => answer?.status ?? 'no answer').join()}`);
  }
}
