/** What people do while a run goes on: they change settings and tables, name candidates, let votes in and start processes again. */

import type { RegisterAnswer } from '@tidemark/control/consensus/register-request';
import { integerBetween } from '@tidemark/platform/random';
import { KEYSPACE } from '../clients/client.ts';
import { fileOf } from '../shape.ts';
import type { SimWorld } from '../world.ts';
import type { SimFault } from './sim-fault.ts';

const READMIT_EVERY_MS = 1_000;
const READMITS_MAX = 100;
const HAND_OVER_MS = 3_000;
const COLUMN_ATTEMPTS = 20;

/** Changes of the register that cost nothing, from every site at once. */
export function operate(world: SimWorld, everyMs: number): () => void {
  let isOver = false;
  for (const site of world.siteNames) {
    const random = world.random.of(`operator ${site}`);
    const go = (): void => {
      if (isOver) return;
      const body = { paused: random.fraction() < 0.5 };
      const request = { method: 'POST', path: `/v1/watchdog/${KEYSPACE}`, body } as const;
      void world.exchange.request('operator', site, request, 5_000).catch(() => null);
      world.scheduler.after(integerBetween(random, 1, everyMs), go);
    };
    go();
  }
  return () => {
    isOver = true;
  };
}

/** As a watchdog or an operator would. @returns whether the site will try; who refuses has his reasons */
export async function nominate(
  world: SimWorld,
  { site, cause, loss: mode, rowsMax = 2_000_000_000 }: SimFault & { readonly kind: 'nominate' },
): Promise<boolean> {
  const loss = mode === undefined ? null : { rowsMax, mode };
  const version = await versionAt(world, site);
  const body = { cause, reason: 'the simulator wants it', version, loss };
  const request = { method: 'POST', path: `/v1/internal/nominate/${KEYSPACE}`, body } as const;
  const status = await world.exchange.request('operator', site, request, 1_000).then(
    (reply) => reply.status,
    () => null,
  );
  world.trace.note(site, `nomination: ${status ?? 'no answer'}`);
  return status === 202;
}

/** Of the register, as the site has voted; −1 when it does not say. */
export async function versionAt(world: SimWorld, site: string): Promise<number> {
  const request = { method: 'POST', path: `/v1/internal/register/${KEYSPACE}`, body: { kind: 'read' } } as const;
  const reply = await world.exchange.request('operator', site, request, 1_000).catch(() => null);
  return (reply?.body as Partial<RegisterAnswer> | null)?.accepted?.value.version ?? -1;
}

/** At whoever takes it; clients write the column once it is said to be there. */
export async function addColumn(world: SimWorld): Promise<void> {
  const column = `c${++world.columns.asked}`;
  const file = fileOf(KEYSPACE, world.shape);
  const more = Array.from({ length: world.columns.asked }, (_, i) => [`c${i + 1}`, 'string']);
  const { t } = file.tables;
  const body = { ...file, tables: { t: { ...t, columns: { ...t.columns, ...Object.fromEntries(more) } } } };
  for (let attempt = 0; attempt < COLUMN_ATTEMPTS; attempt++) {
    const site = world.dataNames[attempt % world.dataNames.length]!;
    const request = { method: 'PUT', path: `/v1/keyspaces/${KEYSPACE}`, body } as const;
    const status = await world.exchange.request('operator', site, request, 3_000).then(
      (reply) => reply.status,
      () => null,
    );
    world.trace.note(site, `column ${column}: ${status ?? 'no answer'}`);
    if (status !== null && status < 300) {
      world.columns.there.add(column);
      return;
    }
    await world.scheduler.sleep(500);
  }
}

/** An operator, who knows that the disks were replaced, lets the site's new vote in; others have to agree. */
export function letIn(world: SimWorld, site: string, attempt = 0): void {
  const others = world.siteNames.filter((name) => name !== site);
  const body = { site };
  const request = { method: 'POST', path: `/v1/watchdog/${KEYSPACE}/readmit`, body } as const;
  const again = (): void => {
    if (attempt < READMITS_MAX) world.scheduler.after(READMIT_EVERY_MS, () => letIn(world, site, attempt + 1));
  };
  world.exchange
    .request('operator', others[attempt % others.length]!, request, 5_000)
    .then(({ status, body: said }) => {
      world.trace.note('operator', `the vote of ${site}: ${status}`);
      if (status !== 200 && !JSON.stringify(said).includes('counts already')) again();
    }, again);
}

/** Somebody else takes over from the site, if anybody can, before it is started again. */
export async function startAgain(world: SimWorld, name: string): Promise<void> {
  const other = world.dataNames.find((one) => one !== name)!;
  await nominate(world, { kind: 'nominate', site: other, cause: 'switchover', atMs: 0, forMs: 1 });
  await world.scheduler.sleep(HAND_OVER_MS);
  const site = world.site(name);
  if (site.isHeldDown) return;
  world.trace.note(name, 'is started again');
  site.kill();
  site.start();
}
