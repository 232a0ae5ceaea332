/**
 * Key parts as segments of a URL's path, and back. A part is its text, percent-encoded; but URL libraries take the
 * segments `.` and `..` away, percent-encoded too, and some an empty one, so that another row would be meant. So these
 * parts get a `~` in front, and so do parts that would then look like one of them:
 *
 *   the empty part ~    . ~.    .. ~..    ~ ~~    ~. ~~.    ~~x ~~~x    every other part, ~x too, as it is
 *
 * Reading it, a `~` is taken off a segment that is `~`, `~.` or `~..` or begins with `~~`.
 */

import { Fault } from '@tidemark/platform/fault';

const MARKED = /^(?:|\.{1,2}|~\.{0,2}|~~.*)$/s;
const READ_WITHOUT_MARK = /^(?:~\.{0,2}|~~.*)$/s;

/** A part's text as one segment. */
export function keySegment(part: string): string {
  return encodeURIComponent(MARKED.test(part) ? `~${part}` : part);
}

/**
 * The parts in the segments of a path as it was sent: a `/` within a part is `%2F` there.
 * @param segments of the path's end; none is a key without parts
 * @throws {Fault} `invalid`: a segment that is empty, or no percent-encoded UTF-8; names it and its place
 */
export function keyParts(segments: readonly string[]): string[] {
  return segments.map((segment, i) => {
    const where = `part ${i + 1} of the key in the path`;
    if (segment === '') {
      const expected = '~ for an empty part, ~. and ~.. for . and ..';
      throw new Fault('invalid', `${where} is empty, expected ${expected}`, { got: '', expected });
    }
    const text = decoded(segment, where);
    return READ_WITHOUT_MARK.test(text) ? text.slice(1) : text;
  });
}

/** The segments behind `/v1/{keyspace}/{table}/rows/` in a request's target. */
export function segmentsOfRow(url: string): string[] {
  const segments = url.split('?', 1)[0]!.split('/').slice(5);
  return segments.length === 1 && segments[0] === '' ? [] : segments;
}

function decoded(segment: string, where: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    const expected = 'percent-encoded UTF-8';
    throw new Fault('invalid', `${where} is "${segment}", expected ${expected}`, { got: segment, expected, cause });
  }
}
