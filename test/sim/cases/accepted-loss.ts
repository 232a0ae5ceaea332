/**
 * A failover with an accepted loss while the copies of one partition lag: no more is lost than was told and accepted, and
 * what both replicas had applied stays.
 */

import { check, Stage } from './stage.ts';

const KEYS = [...'abcdefghijklmnop'];
const ACCEPTED = 5_000;

export async function acceptedLoss(): Promise<void> {
  const stage = new Stage({ k: 0, degradeTo: 0 });
  const { world } = stage;
  await stage.makeKeyspace();
  let acked = 0;
  for (let n = 0; n < 100; n++) if (await stage.put('paris', n, KEYS[n % KEYS.length])) acked++;
  await stage.rest(3_000);
  const rowsAt = async (site: string): Promise<number> => {
    let sum = 0;
    for (const key of KEYS) sum += (await stage.rowsAt(site, key)).length;
    return sum;
  };
  const applied = await rowsAt('tokyo');
  check(applied === acked, `tokyo has the ${acked} rows: ${applied}`);
  for (const site of ['tokyo', 'quito'])
    world.site(site).store.fate = (topic, partition) =>
      topic.includes('mirror.paris') && partition === 1 ? { answer: 'refused' } : { answer: 'stored' };
  for (let n = 200; n < 216; n++) if (await stage.put('paris', n, KEYS[n % KEYS.length])) acked++;
  for (let n = 300; n < 370; n++) {
    if (await stage.put('paris', n)) acked++;
    await stage.rest(60);
  }
  stage.stop('paris', 'with its log');
  for (const site of ['tokyo', 'quito']) world.site(site).store.fate = () => ({ answer: 'stored' });
  await stage.rest(3_000);
  const asked = { kind: 'failover', to: 'tokyo', acceptLoss: ACCEPTED } as const;
  const told = await stage.job('tokyo', { ...asked, dryRun: true });
  const most = Number(told.estimatedLoss);
  check(told.outcome === 'done' && most < ACCEPTED, `the loss is told: ${JSON.stringify(told)}`);
  const tooFew = await stage.job('tokyo', { ...asked, acceptLoss: 0 });
  check(tooFew.outcome === 'refused', `a loss above what is accepted is refused: ${JSON.stringify(tooFew)}`);
  const ended = await stage.job('tokyo', asked);
  check(ended.outcome === 'done', `it is done: ${JSON.stringify(ended)}`);
  await stage.until('tokyo is read', async () => (await stage.ask('tokyo', 'GET', '/v1/ks/t/rows/a')).status === 200);
  const kept = await rowsAt('tokyo');
  const lost = acked - kept;
  check(kept >= applied, `what was applied everywhere stays: ${kept} of ${applied}`);
  check(lost <= most, `${lost} rows are lost, ${most} were told`);
  await stage.until('quito has the same', async () => (await rowsAt('quito')) === kept);
}
