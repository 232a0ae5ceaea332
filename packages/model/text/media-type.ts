/** What a Content-Type header says. */

import { Fault } from '@tidemark/platform/fault';

/**
 * The media type in lower case and without its parameters; empty when there is none.
 * @throws {Fault} `unsupported`: text in another encoding than UTF-8
 */
export function mediaTypeOf(header: string | undefined): string {
  const [type = '', ...parameters] = (header ?? '').toLowerCase().split(';');
  for (const parameter of parameters) {
    const charset = /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1];
    if (charset === undefined || ['utf-8', 'utf8', 'us-ascii'].includes(charset)) continue;
    throw new Fault('unsupported', `charset ${charset}, expected utf-8`, { got: charset, expected: 'utf-8' });
  }
  return type.trim();
}
