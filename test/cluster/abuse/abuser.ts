/**
 * A process that abuses one site until it is told to stop; its first message says how, and whom. A thread of whoever measures
 * would share its memory, and keep it waiting with bodies of megabytes.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Abuse } from './abuses.ts';

const [{ abuse, url }] = (await once(process, 'message')) as [{ readonly abuse: Abuse; readonly url: string }];
/** Connections that are opened between two pauses. */
const OPENED_AT_ONCE = 50;
const PAUSE_MS = 20;
/** Who was refused comes back after this long, whatever it was told. */
const AGAIN_MS = 50;

const stop = new AbortController();
const statuses: Record<string, number> = {};

process.once('message', () => stop.abort());
process.once('disconnect', () => process.exit(1));
await abuseUntil(stop.signal);
process.send!(statuses, () => process.exit(0));

async function abuseUntil(signal: AbortSignal): Promise<void> {
  const { how } = abuse;
  switch (how.kind) {
    case 'none':
      if (!signal.aborted) await once(signal, 'abort');
      return;
    case 'asked':
      await Promise.all(Array.from({ length: how.lanes }, () => askAgain(how.path, Buffer.from(how.body), signal)));
      return;
    case 'unread':
      return holdOpen(how.connections, headOf(how.path, Buffer.byteLength(how.body)) + how.body, signal);
    case 'waiting':
      return holdOpen(how.connections, `GET ${how.path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n\r\n`, signal);
    case 'idle':
      return holdOpen(how.connections, '', signal);
    case 'half':
      return holdOpen(how.connections, `${headOf(how.path, 1_000)}{"rows":[`, signal);
  }
}

async function askAgain(path: string, body: Buffer, signal: AbortSignal): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  while (!signal.aborted) {
    try {
      const response = await fetch(`${url}${path}`, { method: 'POST', headers, body, signal });
      note(
        `${response.status}${response.status === 503 && !response.headers.has('retry-after') ? ' without Retry-After' : ''}`,
      );
      for await (const _ of response.body ?? []) if (signal.aborted) return;
      if (!response.ok) await sleep(AGAIN_MS);
    } catch {
      if (signal.aborted) return;
      note('broken');
      await sleep(AGAIN_MS);
    }
  }
}

/** Opens connections, sends each the same, and reads nothing. */
async function holdOpen(count: number, text: string, signal: AbortSignal): Promise<void> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  while (sockets.length < count && !signal.aborted) {
    for (let i = 0; i < OPENED_AT_ONCE && sockets.length < count; i++) {
      const socket = connect(Number(port), hostname, () => note('opened'));
      socket.on('error', () => note('broken'));
      socket.pause();
      if (text !== '') socket.write(text);
      sockets.push(socket);
    }
    await sleep(PAUSE_MS);
  }
  if (!signal.aborted) await once(signal, 'abort');
  for (const socket of sockets) socket.destroy();
}

function headOf(path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
}

function note(status: string): void {
  statuses[status] = (statuses[status] ?? 0) + 1;
}
