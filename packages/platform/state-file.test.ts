/** A state file is what was written, or it is named as damaged: any flipped bit, cut or added byte is found. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFault } from './fault.ts';
import { SILENT } from './logger.ts';
import { SimDisk, SimPlatter } from './sim/sim-disk.ts';
import { asWritten, readDerived, readState, writeState } from './state-file.ts';

const newDisk = (): SimDisk => new SimDisk(new SimPlatter());
const read = (disk: SimDisk): Promise<unknown> => readState(disk, 'a.json', asWritten());

async function put(disk: SimDisk, bytes: Uint8Array): Promise<void> {
  const file = await disk.create('a.json');
  await file.append(bytes);
  await file.close();
}

describe('a state file', () => {
  it('reads back as it was written, and is JSON', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const disk = newDisk();
        await writeState(disk, 'a.json', value);
        const read = await readState(disk, 'a.json', asWritten());
        expect(JSON.stringify(read)).toBe(JSON.stringify(value));
        const whole = JSON.parse(Buffer.from(await disk.read('a.json')).toString()) as { value: unknown };
        expect(JSON.stringify(whole.value)).toBe(JSON.stringify(value));
      }),
    );
  });

  it('is not believed with any bit flipped, or any part of it missing or added', async () => {
    const disk = newDisk();
    await writeState(disk, 'a.json', { end: 70, acceptor: 'a~1' });
    const whole = Buffer.from(await disk.read('a.json'));
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await put(disk, flipped);
      expect(isFault(await read(disk).catch((error: unknown) => error), 'corrupt')).toBe(true);
    }
    for (let length = 0; length < whole.length; length++) {
      await put(disk, whole.subarray(0, length));
      expect(isFault(await read(disk).catch((error: unknown) => error), 'corrupt')).toBe(true);
    }
    await put(disk, Buffer.concat([whole, Buffer.from(' ')]));
    await expect(read(disk)).rejects.toThrow('a.json: found');
  });

  it('that can be made again is set aside when it is damaged, and is as good as none', async () => {
    const disk = newDisk();
    expect(await readDerived(disk, 'a.json', asWritten(), SILENT)).toBe(null);
    await put(disk, Buffer.from('{"end":70}\n'));
    expect(await readDerived(disk, 'a.json', asWritten(), SILENT)).toBe(null);
    expect(await disk.list('.')).toEqual(['a.json.damaged']);
    await writeState(disk, 'a.json', 3);
    expect(await readDerived(disk, 'a.json', asWritten(), SILENT)).toBe(3);
  });

  it('that several write at once is whole each time, and in the end what was asked for last', async () => {
    const disk = newDisk();
    const values = Array.from({ length: 5 }, (_, n) => ({ n }));
    await Promise.all(values.map((value) => writeState(disk, 'a.json', value)));
    expect(await read(disk)).toEqual({ n: 4 });
    disk.hook = ({ number }) => (number % 7 === 3 ? 'full' : 'ok');
    const more = values.map((value) => writeState(disk, 'a.json', value).catch(() => null));
    await Promise.all(more);
    disk.hook = () => 'ok';
    expect(values).toContainEqual(await read(disk));
    await writeState(disk, 'a.json', { n: 9 });
    expect(await read(disk)).toEqual({ n: 9 });
  });
});
