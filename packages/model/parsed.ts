/** Bodies of requests and answers, checked against their schema. */

import { Fault, type FaultKind } from '@tidemark/platform/fault';
import type { z } from 'zod';

/** So many wrong fields are named; of a list that is wrong throughout nobody reads more. */
const NAMED_MAX = 8;

/**
 * @param what names it in the message
 * @throws {Fault} of the kind, by default `invalid`: every field that is wrong, and why
 */
export function parsed<T>(schema: z.ZodType<T>, body: unknown, what: string, kind: FaultKind = 'invalid'): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new Fault(kind, `${what}: ${wrongFields(result.error)}`);
}

/** The fields that are wrong and why, in words. */
export function wrongFields({ issues }: z.ZodError): string {
  const named = issues
    .slice(0, NAMED_MAX)
    .map(({ path, message }) => (path.length === 0 ? message : `field "${path.join('.')}": ${message}`));
  const more = issues.length - named.length;
  return `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
