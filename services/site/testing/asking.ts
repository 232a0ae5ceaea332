/** For tests: requests to a running site, and waiting for what it will answer. */

import { SystemClock } from '@tidemark/platform/system-clock';

const AGAIN_MS = 50;
const clock = new SystemClock();

export type Answer = { readonly status: number; readonly body: unknown };

/** Redirects are answers too. Of NDJSON the first line counts. */
export async function askAt(url: string, path: string, request: RequestInit = {}): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, { redirect: 'manual', ...request });
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text.split('\n')[0]!) : text };
}

/** A request with a JSON body. */
export function send(method: string, body: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** Tries again until the attempt does not throw; the test's own time-out is the limit. */
export async function untilDone(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await clock.sleep(AGAIN_MS);
    }
  }
}

type Asked = {
  readonly ask: (site: string, path: string, request?: RequestInit) => Promise<Answer>;
  readonly running: Running;
};
type Running = ReadonlyMap<string, { readonly url: string }>;

/** Runs a job at a site to its end and gives its last line. */
export async function jobAt(sites: Asked, site: string, body: object): Promise<Record<string, unknown>> {
  const started = await sites.ask(site, '/v1/jobs', send('POST', body));
  if (started.status !== 202) return { status: started.status, ...(started.body as object) };
  const { id } = started.body as { readonly id: string };
  const lines = await (await fetch(`${sites.running.get(site)!.url}/v1/jobs/${id}`)).text();
  return JSON.parse(lines.trim().split('\n').at(-1)!);
}
