import { describe, expect, it } from 'vitest';
import { picture } from './picture.ts';

describe('the picture of the sites', () => {
  it('has every line as wide as the others, and a lost site in broken lines', () => {
    const drawn = picture([
      { site: 'paris', lines: ['killed with −9,', 'out of reach'], isLost: true },
      { site: 'tokyo', lines: ['primary, epoch 2'] },
    ]);
    const lines = drawn.split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^ {2}·· paris ·+ {3}┌─ tokyo ─+┐$/);
    expect(new Set(lines.slice(0, 3).map((line) => line.length)).size).toBe(1);
    expect(drawn).toContain('· out of reach');
  });
});
