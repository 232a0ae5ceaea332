import { describe, expect, it } from 'vitest';
import { DiskWatch } from './disk-watch.ts';
import { SILENT } from './logger.ts';
import { SimClock } from './sim/sim-clock.ts';
import { SimDisk } from './sim/sim-disk.ts';

describe('watch of a disk', () => {
  it('tells of too little room with both numbers, and that there is room again only well above the reserve', async () => {
    const disk = new SimDisk();
    await using watch = new DiskWatch({ disk, clock: new SimClock(), logger: SILENT }, 1_000);
    await watch.look();
    expect(watch.trouble).toBe(null);
    disk.freeBytes = 999;
    await watch.look();
    expect(watch.trouble).toBe('the disk has 999 bytes free, 1000 are kept for what is under way');
    disk.freeBytes = 1_050;
    await watch.look();
    expect(watch.trouble).toContain('1050 bytes free');
    disk.freeBytes = 1_100;
    await watch.look();
    expect(watch.trouble).toBe(null);
  });

  it('keeps a twentieth of a small medium, and takes rows where it cannot be told', async () => {
    const disk = new SimDisk();
    await using watch = new DiskWatch({ disk, clock: new SimClock(), logger: SILENT }, 2 ** 60);
    disk.freeBytes = 2 ** 35;
    await watch.look();
    expect(watch.trouble).not.toBe(null);
    disk.freeBytes = 2 ** 39;
    await watch.look();
    expect(watch.trouble).toBe(null);
    disk.freeBytes = 0;
    disk.room = () => Promise.reject(new Error('no such call'));
    await watch.look();
    expect(watch.trouble).toBe(null);
  });
});
