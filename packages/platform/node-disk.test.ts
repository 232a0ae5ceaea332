import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { NodeDisk } from './node-disk.ts';
import { describeDisk } from './testing/disk-contract.ts';

const roots: string[] = [];
const disks: NodeDisk[] = [];
afterAll(async () => {
  for (const disk of disks) await disk.close();
  for (const root of roots) await rm(root, { recursive: true, force: true });
});

describeDisk('NodeDisk', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tidemark-disk-'));
  roots.push(root);
  const disk = new NodeDisk(root);
  disks.push(disk);
  return disk;
});
