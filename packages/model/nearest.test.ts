import { describe, expect, it } from 'vitest';
import { nearestHint, nearestName } from './nearest.ts';

describe('nearest name', () => {
  const known = ['delay', 'date', 'distance', 'destination'];

  it.each([
    ['dely', 'delay'],
    ['dealy', 'delay'],
    ['DELAY', 'delay'],
    ['distanse', 'distance'],
    ['destinations', 'destination'],
  ])('of %s is %s', (name, nearest) => {
    expect(nearestName(name, known)).toBe(nearest);
    expect(nearestHint(name, known)).toBe(` (nearest: ${nearest})`);
  });

  it('is none when nothing is near', () => {
    expect(nearestName('gate', ['origin'])).toBeNull();
    expect(nearestHint('x', [])).toBe('');
  });
});
