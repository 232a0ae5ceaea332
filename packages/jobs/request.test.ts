import { EventEmitter } from 'node:events';
import { isFault } from '@tidemark/platform/fault';
import type { FastifyReply } from 'fastify';
import { expect, it } from 'vitest';
import { closedSignal } from './request.ts';

const replyOf = (raw: EventEmitter & { readonly closed?: boolean }): FastifyReply => ({ raw }) as never;

it('the signal of a request aborts as its connection closes, for one reason that is made for all of them', () => {
  const [first, second] = [new EventEmitter(), new EventEmitter()];
  const signals = [closedSignal(replyOf(first)), closedSignal(replyOf(second))];
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  first.emit('close');
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  second.emit('close');
  const late = closedSignal(replyOf(Object.assign(new EventEmitter(), { closed: true })));
  const reasons = new Set<unknown>([...signals, late].map(({ reason }) => reason));
  expect(reasons.size).toBe(1);
  expect(isFault([...reasons][0], 'unavailable')).toBe(true);
});
