/** One question to another site and what came of it, as a value: an answer, or the Fault that says why there is none. */

import { Fault, type FaultDetails, isFault, isFaultKind, kindOfStatus } from '@tidemark/platform/fault';
import type { Network } from '@tidemark/platform/network';
import { z } from 'zod';

/**
 * What a site told. `unknown`: no answer in time. `corrupt`: an answer of another shape than the route has. Else what the
 * site's problem says.
 */
export type Told<T> = { readonly answer: T; readonly fault: null } | { readonly answer: null; readonly fault: Fault };

/** A question: `body` null asks (GET), anything else is sent (POST). */
export type Question = { readonly url: string; readonly body: object | null; readonly timeoutMs: number };

const PROBLEM = z.object({ kind: z.string().catch(''), detail: z.string().catch('') }).catch({ kind: '', detail: '' });

/** Asks, and never rejects with what a network or another site may do. */
export async function tell<T>(
  network: Pick<Network, 'ask'>,
  { url, body, timeoutMs }: Question,
  schema: z.ZodType<T>,
): Promise<Told<T>> {
  try {
    const said = await network.ask(url, body, timeoutMs);
    if (said.status < 200 || said.status > 299) return none(problemFault(url, said.status, said.body));
    const answer = schema.safeParse(said.body);
    if (answer.success) return { answer: answer.data, fault: null };
    const wrong = answer.error.issues.map(({ path, message }) => `field "${path.join('.')}": ${message}`);
    return none(new Fault('corrupt', `${url} answers in another shape: ${wrong.join('; ')}`, { answeredBy: url }));
  } catch (error) {
    if (isFault(error)) return none(error);
    throw error;
  }
}

function none(fault: Fault): { readonly answer: null; readonly fault: Fault } {
  return { answer: null, fault };
}

function problemFault(url: string, status: number, body: unknown): Fault {
  const { kind, detail } = PROBLEM.parse(body);
  const details: FaultDetails = { answeredBy: url };
  const said = detail === '' ? `${url} answered ${status}` : `${url}: ${detail}`;
  return new Fault(isFaultKind(kind) ? kind : kindOfStatus(status), said, details);
}
