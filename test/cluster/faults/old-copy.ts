/**
 * Row 43: what a site holds is put back to an older copy while the only other site that has what was acked since is
 * lost. Whoever leads then has every acked row; or nobody leads until the lost site is back, and that is told.
 */

import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from '@tidemark/cli/drill/stage';
import type { DevSite } from '@tidemark/dev/sites';
import { type FaultRow, promise, TAKEOVER_MS_MAX } from './stage/fault-row.ts';
import { WritingClient } from './stage/writing-client.ts';

const KINDS = ['both', 'log', 'folder'] as const;
const CALM_MS = 700;
/** Time to suspect, to elect, and to be asked for. */
const LOOKED_MS = 16_000;
const BACK_MS_MAX = 60_000;

/** Of the embedded engine the log is one file, with what stands beside it. */
function isOf(kind: (typeof KINDS)[number], name: string): boolean {
  return kind === 'both' || (kind === 'log') === name.startsWith('log.db');
}

async function putBack(site: DevSite, copy: string, kind: (typeof KINDS)[number]): Promise<void> {
  for (const name of await readdir(site.folder)) {
    if (isOf(kind, name)) await rm(join(site.folder, name), { recursive: true });
  }
  for (const name of await readdir(copy)) {
    if (isOf(kind, name)) await cp(join(copy, name), join(site.folder, name), { recursive: true });
  }
}

type Told = { readonly outcome: string; readonly atMs: number; readonly remedy: string | null; readonly lost: unknown };

async function decisionsAt({ url }: DevSite, sinceMs: number): Promise<readonly Told[]> {
  const { decisions } = (await (await fetch(`${url}/v1/history`)).json()) as { readonly decisions: readonly Told[] };
  return decisions.filter(({ atMs }) => atMs >= sinceMs);
}

/** Without a loss; it is refused, or it waits. */
async function askForFailover({ name, url }: DevSite, keyspace: string): Promise<void> {
  const response = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'failover', keyspace, to: name }),
  });
  promise(response.status === 202, `a failover cannot be asked for at ${name}: ${response.status}`);
  await sleep(6_000);
}

/** What `tidemark readmit` does: a vote whose topic was put back is a new one, and an operator lets it in. */
async function letIn(site: DevSite, by: DevSite, keyspaces: readonly string[]): Promise<void> {
  for (const keyspace of keyspaces) {
    let said = '';
    for (const untilMs = performance.now() + BACK_MS_MAX; performance.now() < untilMs; await sleep(500)) {
      const response = await fetch(`${by.url}/v1/watchdog/${keyspace}/readmit`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ site: site.name }),
      });
      said = `${response.status} ${await response.text()}`;
      if (response.ok || said.includes('counts already')) break;
    }
    promise(/^2|counts already/.test(said), `the vote of ${site.name} in ${keyspace} is not let in: ${said}`);
  }
}

/** Who leads of those that are there, or null. */
async function leaderOf(client: WritingClient, stage: Stage, sites: readonly DevSite[], forMs: number) {
  for (const untilMs = performance.now() + forMs; performance.now() < untilMs; await sleep(300)) {
    for (const site of sites) {
      if (await client.putOne(site.url, stage.keyspace)) return site;
    }
  }
  return null;
}

export const oldCopy: FaultRow = {
  row: 43,
  name: 'old-copy',
  fault: "a site's folder, log, or both put back to an older copy, then another site lost",
  promise: 'every acked row is where writes go on, or the election waits and says so; nothing lost is told as kept',
  sizeIs: 'older copies',
  small: 1,
  large: 30,
  mutants: [],
  engine: 'embedded',
  keyspace: { keyspace: 'oldcopy' },
  run: async ({ stage, folder, size, say }) => {
    const { keyspace } = stage;
    const client = new WritingClient();
    const found = { led: 0, waited: 0 };
    for (let run = 0; run < size; run++) {
      const primary = stage.site((await stage.primary(TAKEOVER_MS_MAX)).site);
      const [first, second] = stage.others(primary.name) as [DevSite, DevSite];
      const kind = KINDS[run % KINDS.length]!;
      const old = [first, second, primary][Math.floor(run / KINDS.length) % 3]!;
      const lost = old === primary ? first : primary;
      const away = old === second ? first : second;
      const copy = join(folder, `copy-${run}`);
      await old.killAll();
      await cp(old.folder, copy, { recursive: true });
      await old.startAll();
      promise((await leaderOf(client, stage, stage.sites, BACK_MS_MAX)) !== null, 'writes did not go on at first');
      const leader = stage.site((await stage.primary(TAKEOVER_MS_MAX)).site);
      if (leader === old || leader === lost) {
        await client.write(leader.url, keyspace, CALM_MS);
        await away.killAll();
        await client.write(leader.url, keyspace, CALM_MS);
      }
      const faultAtMs = Date.now();
      await old.killAll();
      await lost.takeAway();
      await putBack(old, copy, kind);
      await Promise.all([old.startAll(), away.startAll()]);
      const leads = await leaderOf(client, stage, [old, away], LOOKED_MS);
      if (leads !== null) {
        const missing = await client.missingAt(leads.url, keyspace);
        promise(
          missing.length === 0,
          `${leads.name} leads with an older ${kind} of ${old.name}: ${missing.length} gone`,
        );
        found.led++;
      } else {
        // An operator who asks is told what helps, too.
        await askForFailover(away, keyspace);
        const told = (await Promise.all([old, away].map((site) => decisionsAt(site, faultAtMs - 1_000)))).flat();
        promise(
          told.some(({ outcome, remedy }) => outcome !== 'done' && remedy !== null),
          `nothing is written, and no decision says what helps: ${JSON.stringify(told)}`,
        );
        found.waited++;
      }
      await lost.bringBack();
      const back = await leaderOf(client, stage, stage.sites, BACK_MS_MAX);
      promise(back !== null, `no writes ${BACK_MS_MAX} ms after ${lost.name} is back; older ${kind} of ${old.name}`);
      for (const site of stage.sites) await client.untilWholeAt(site.url, keyspace, BACK_MS_MAX);
      await letIn(old, stage.others(old.name)[0]!, [keyspace, 'travel']);
      await rm(copy, { recursive: true });
      say(
        `run ${run + 1}: ${kind} of ${old.name}, ${lost.name} lost: ${leads === null ? 'waited' : `${leads.name} led`}`,
      );
    }
    return { copies: size, ...found, rowsAcked: client.acked.size, rowsLost: 0 };
  },
};
