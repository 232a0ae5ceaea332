/** Bodies of requests and answers, checked against their schema. */

import { Fault, type FaultKind } from '@tidemark/platform/fault';
import type { z } from 'zod';

/**
 * @param what names it in the message
 * @throws {Fault} of the kind, by default `invalid`: every field that is wrong, and why
 */
export function parsed<T>(schema: z.ZodType<T>, body: unknown, what: string, kind: FaultKind = 'invalid'): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => `field "${path.join('.')}": ${message}`);
  throw new Fault(kind, `${what}: ${issues.join('; ')}`);
}
