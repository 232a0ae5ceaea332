import { FAULT_MEANINGS, Fault, type FaultKind } from '@tidemark/platform/fault';
import { describe, expect, it } from 'vitest';
import { problemHeaders, problemOf } from './problem.ts';

describe('problem', () => {
  it.each(Object.entries(FAULT_MEANINGS))('answers %s with the status of its kind', (name, { status }) => {
    const kind = name as FaultKind;
    expect(problemOf(new Fault(kind, 'why'), 'r1')).toMatchObject({ kind, status, detail: 'why', requestId: 'r1' });
  });

  it('names the table, the column and both values, also those JSON has no word for', () => {
    const details = { table: 'flights', column: 'delay', got: 9007199254740993n, expected: new Uint8Array([1, 2]) };
    expect(JSON.parse(JSON.stringify(problemOf(new Fault('invalid', 'no', details), 'r')))).toEqual({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      detail: 'no',
      kind: 'invalid',
      table: 'flights',
      column: 'delay',
      got: '9007199254740993',
      expected: { $bytes: 'AQI=' },
      requestId: 'r',
    });
  });

  it('says when to come back, in whole seconds, whenever nothing was stored', () => {
    const full = new Fault('unavailable', 'full', { retryAfterMs: 1500 });
    expect(problemHeaders(full, problemOf(full, 'r'), '/v1/x')).toMatchObject({ 'retry-after': '2' });
    const silent = new Fault('unavailable', 'away');
    expect(problemOf(silent, 'r').retryAfterMs).toBeGreaterThan(0);
    const wrong = new Fault('invalid', 'wrong');
    expect(problemHeaders(wrong, problemOf(wrong, 'r'), '/v1/x')).toEqual({
      'content-type': 'application/problem+json',
    });
  });

  it('sends the caller to the right site', () => {
    const elsewhere = new Fault('notLeader', 'tokyo writes', { location: 'http://tokyo' });
    const problem = problemOf(elsewhere, 'r');
    expect(problem.title).toBe('Temporary Redirect');
    expect(problemHeaders(elsewhere, problem, '/v1/x')).toMatchObject({ location: 'http://tokyo/v1/x' });
  });

  it('passes on what the HTTP layer refuses, and keeps the words of a bug to itself', () => {
    const tooLarge = Object.assign(new Error('Request body is too large'), { statusCode: 413 });
    expect(problemOf(tooLarge, 'r')).toMatchObject({
      status: 413,
      kind: 'tooLarge',
      detail: 'Request body is too large',
    });
    const slow = Object.assign(new Error('slow'), { statusCode: 408 });
    expect(problemOf(slow, 'r')).toMatchObject({ status: 408, kind: 'unknown' });
    const bug = problemOf(new TypeError('secret of undefined'), 'r7');
    expect(bug).toMatchObject({ status: 500, kind: 'unknown', requestId: 'r7' });
    expect(JSON.stringify(bug)).not.toContain('secret');
  });
});
