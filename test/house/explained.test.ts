/** Whoever imports a name meets it away from its file: what it is stands directly above it. */

import { expect, test } from 'vitest';
import { House } from './house.ts';

test('every exported name says above it what it is', () => {
  expect(new House().unexplained(), 'say what it is in /** … */ above it, or drop the export').toEqual([]);
});
