import { describe, expect, it } from 'vitest';
import { FAULT_MEANINGS, Fault, type FaultKind, isFaultKind, isRefusal, kindOfStatus, messageOf } from './fault.ts';

/** Written down once more: scripts and other people's programs are written against these numbers. */
const PROMISED: Record<FaultKind, readonly [status: number, exitCode: number]> = {
  invalid: [400, 2],
  forbidden: [403, 2],
  notFound: [404, 2],
  conflict: [409, 2],
  outOfRange: [410, 2],
  preconditionFailed: [412, 2],
  tooLarge: [413, 2],
  unsupported: [415, 2],
  keyReused: [422, 2],
  keyForgotten: [422, 4],
  notLeader: [307, 4],
  fenced: [409, 3],
  unavailable: [503, 4],
  unknown: [504, 4],
  corrupt: [500, 1],
};
const KINDS = Object.keys(FAULT_MEANINGS) as FaultKind[];

describe('kinds of fault', () => {
  it('each have one HTTP status and one exit code', () => {
    const said = KINDS.map((kind) => [kind, [FAULT_MEANINGS[kind].status, FAULT_MEANINGS[kind].exitCode]]);
    expect(Object.fromEntries(said)).toEqual(PROMISED);
  });

  it('refuse only what the caller asked wrongly: nobody repeats a refusal, and everybody else may', () => {
    for (const kind of KINDS) {
      const { status, exitCode } = FAULT_MEANINGS[kind];
      expect(isRefusal(new Fault(kind, 'why')), kind).toBe(status >= 400 && status < 500 && exitCode === 2);
    }
    expect(isRefusal(new Error('why'))).toBe(false);
  });

  it('are told apart from any other word', () => {
    expect(KINDS.every(isFaultKind)).toBe(true);
    expect(['', 'toString', '__proto__', 7, null, undefined].some(isFaultKind)).toBe(false);
  });

  it('are found by a status alone, and never one that promises more than the status does', () => {
    for (const kind of KINDS) {
      const { status, isRefusal: refused } = FAULT_MEANINGS[kind];
      const found = kindOfStatus(status);
      const twins = KINDS.filter((other) => FAULT_MEANINGS[other].status === status);
      if (twins.length === 1 && kind !== 'corrupt') expect(found).toBe(kind);
      if (status === 409 || status >= 500) expect(refused && !isRefusal(new Fault(found, 'why'))).toBe(refused);
    }
    const others = [408, 418, 429, 431, 500, 502, 599].map(kindOfStatus);
    expect(others).toEqual(['unknown', 'invalid', 'unavailable', 'tooLarge', 'unknown', 'unavailable', 'unknown']);
  });
});

describe('what an error says', () => {
  it('is its message, or those of the errors that it stands for', () => {
    expect(messageOf(new Error('why'))).toBe('why');
    expect(messageOf('why')).toBe('why');
    const each = [new Error('no way to ::1'), new Error('no way to 127.0.0.1')];
    expect(messageOf(new AggregateError(each))).toBe('no way to ::1; no way to 127.0.0.1');
    expect(messageOf(new AggregateError(each, 'localhost'))).toBe('localhost');
  });
});
