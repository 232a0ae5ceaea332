import { describe, expect, it } from 'vitest';
import { replaceFile } from '../disk.ts';
import { SeededRandom } from '../random.ts';
import { describeDisk } from '../testing/disk-contract.ts';
import { Crashed, SimDisk } from './sim-disk.ts';

describeDisk('SimDisk', async () => new SimDisk());

const seeds = Array.from({ length: 200 }, (_, seed) => seed);

/** What is in a file after writing `synced` then `loose` and losing power. */
async function afterPowerLoss(seed: number): Promise<string | null> {
  const disk = new SimDisk();
  const file = await disk.create('f');
  await file.append(Buffer.from('synced'));
  await file.sync();
  await disk.syncFolder('.');
  await file.append(Buffer.from(' loose bytes'));
  const next = disk.restart(new SeededRandom(seed));
  return (await next.exists('f')) ? Buffer.from(await next.read('f')).toString('latin1') : null;
}

describe('sim disk', () => {
  it('keeps synced bytes through a power loss, and may lose, cut or garble the others', async () => {
    const found = new Set(await Promise.all(seeds.map(afterPowerLoss)));
    for (const content of found) expect(content?.startsWith('synced')).toBe(true);
    expect(found).toContain('synced');
    expect(found).toContain('synced loose bytes');
    expect([...found].some((content) => content?.includes('\0'))).toBe(true);
  });

  it('may forget a file, and a rename, whose folder was not synced', async () => {
    const outcomes = new Set<string>();
    for (const seed of seeds) {
      const disk = new SimDisk();
      await replaceFile(disk, 'f', Buffer.from('old'));
      const file = await disk.create('f.tmp');
      await file.append(Buffer.from('new'));
      await file.sync();
      await disk.rename('f.tmp', 'f');
      const next = disk.restart(new SeededRandom(seed));
      outcomes.add(`${Buffer.from(await next.read('f')).toString()} ${await next.list('.')}`);
    }
    expect([...outcomes].sort()).toEqual(['new f', 'old f', 'old f,f.tmp']);
  });

  it('keeps everything through a kill, also what was not synced', async () => {
    const disk = new SimDisk();
    await (await disk.create('f')).append(Buffer.from('x'));
    expect(await disk.restart().list('.')).toEqual(['f']);
  });

  it('refuses everything to a process that has crashed, and frees its locks', async () => {
    const disk = new SimDisk();
    await disk.lock('home');
    disk.hook = (step) => (step.kind === 'create' ? 'crash' : 'ok');
    await expect(disk.create('f')).rejects.toThrow(Crashed);
    await expect(disk.list('.')).rejects.toThrow(Crashed);
    await disk.restart().lock('home');
  });

  it('leaves half of a write it crashed in', async () => {
    const disk = new SimDisk();
    const file = await disk.create('f');
    disk.hook = (step) => (step.kind === 'append' ? 'crash' : 'ok');
    await expect(file.append(Buffer.from('abcd'))).rejects.toThrow(Crashed);
    expect(Buffer.from(await disk.restart().read('f')).toString()).toBe('ab');
  });
});
