import { describe, expect, it } from 'vitest';
import { BarrierCalls } from './freshness.ts';

describe('barriers asked for', () => {
  it('are shared only by those who came before one was asked for', async () => {
    const answers: (() => void)[] = [];
    const calls = new BarrierCalls(() => new Promise<void>((resolve) => answers.push(resolve)));
    const done: string[] = [];
    const ask = (name: string): Promise<unknown> => calls.next().then(() => done.push(name));
    const all = [ask('first'), ask('second'), ask('third')];
    expect(answers).toHaveLength(1);
    answers[0]!();
    await all[0];
    expect(done).toEqual(['first']);
    await Promise.resolve();
    expect(answers).toHaveLength(2);
    answers[1]!();
    await Promise.all(all);
    expect(answers).toHaveLength(2);
  });

  it('go on after one that failed', async () => {
    let count = 0;
    const calls = new BarrierCalls(async () => {
      if (count++ === 0) throw new Error('no');
    });
    const [first, second] = [calls.next(), calls.next()];
    await expect(first).rejects.toThrow('no');
    await second;
    expect(count).toBe(2);
  });
});
