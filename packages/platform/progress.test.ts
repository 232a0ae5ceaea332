import { describe, expect, it } from 'vitest';
import { Progress } from './progress.ts';
import { SimClock } from './sim/sim-clock.ts';

describe('progress', () => {
  it('a question that throws is thrown to who asked it, and not to who told of a change', async () => {
    const progress = new Progress(new SimClock());
    let seen = 0;
    const refused = progress.until(() => {
      if (seen > 0) throw new Error('it will never hold');
      return false;
    }, 1_000);
    const other = progress.until(() => seen > 0, 1_000);
    seen = 1;
    progress.tell();
    await expect(refused).rejects.toThrow('it will never hold');
    expect(await other).toBe(true);
  });
});
