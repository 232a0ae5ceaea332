/** One question to another site and what came of it, as a value: an answer, or the Fault that says why there is none. */

import { wrongFields } from '@tidemark/model/parsed';
import { Fault, type FaultDetails, isFault, isFaultKind, kindOfStatus } from '@tidemark/platform/fault';
import type { Headers, Network } from '@tidemark/platform/network';
import { z } from 'zod';
import { siteIn } from './place.ts';

/**
 * What a site told. `unknown` without `answeredBy`: no answer in time. `corrupt`: an answer of another shape than the route
 * has. Else what the site's problem says.
 */
export type Told<T> = { readonly answer: T; readonly fault: null } | { readonly answer: null; readonly fault: Fault };

/** A question: `body` null asks (GET), anything else is sent (POST). */
export type Question = {
  readonly url: string;
  readonly body: object | null;
  readonly timeoutMs: number;
  readonly headers?: Headers;
};

const PROBLEM = z.object({ kind: z.string().catch(''), detail: z.string().catch('') }).catch({ kind: '', detail: '' });

/** Asks, and never rejects with what a network or another site may do. */
export async function tell<T>(
  network: Pick<Network, 'ask'>,
  { url, body, timeoutMs, headers }: Question,
  schema: z.ZodType<T>,
): Promise<Told<T>> {
  try {
    const said = await network.ask(url, body, timeoutMs, headers);
    if (said.status < 200 || said.status > 299) return none(problemFault(url, said.status, said.body));
    const answer = schema.safeParse(said.body);
    return answer.success ? { answer: answer.data, fault: null } : none(otherShape(url, answer.error));
  } catch (error) {
    if (isFault(error)) return none(error);
    throw error;
  }
}

/** Whether a site answered at all: one that did not may have done what was asked. */
export function isAnswered({ fault }: Told<unknown>): boolean {
  return fault === null || fault.details.answeredBy !== undefined;
}

/** An answer, or a line of one, that its route does not have. */
export function otherShape(url: string, error: z.ZodError): Fault {
  return new Fault('corrupt', `${url} answers in another shape: ${wrongFields(error)}`, { answeredBy: url });
}

function none(fault: Fault): { readonly answer: null; readonly fault: Fault } {
  return { answer: null, fault };
}

function problemFault(url: string, status: number, body: unknown): Fault {
  const { kind, detail } = PROBLEM.parse(body);
  const details: FaultDetails = { answeredBy: url };
  // A person reads it: which site says so is enough.
  const said = detail === '' ? `${url} answered ${status}` : `${siteIn(url)?.site ?? url}: ${detail}`;
  return new Fault(isFaultKind(kind) ? kind : kindOfStatus(status), said, details);
}
