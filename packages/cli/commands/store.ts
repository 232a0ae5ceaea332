/** `tidemark store inspect PATH`: what is in column files, read where they lie; nothing is changed. */

import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { formatColumnType } from '@tidemark/model/column-type';
import { formatPosition } from '@tidemark/model/position';
import type { Table } from '@tidemark/model/table';
import { Fault } from '@tidemark/platform/fault';
import { NodeDisk } from '@tidemark/platform/node-disk';
import { type FileReport, inspectFile, inspectPartition, type PartitionReport } from '@tidemark/store/inspect';
import { generationOf, readManifest } from '@tidemark/store/segment/manifest';
import { Command } from 'commander';
import { EXIT } from '../exit-code.ts';
import { command } from '../invocation.ts';
import { textTable } from '../output/output.ts';

type Flags = { readonly verify?: boolean };

/** Folders below the one that is named are looked into so deep: data / keyspace / table / partition, and a site above. */
const DEPTH_MAX = 5;

const inspect = command<Flags>(
  'inspect <path>',
  'what is in a column file, a partition, or all partitions below a folder',
  async ({ flags, output }, [path]) => {
    const place = resolve(path!);
    const found = await stat(place).catch(() => null);
    if (found === null) throw new Fault('invalid', `there is no ${path}`, { got: path });
    const isManifest = generationOf(basename(place)) !== null;
    if (found.isFile() && !isManifest) {
      const { report, damage } = await reportFile(place, found.size);
      output.result({ ...report, damage }, [fileLines([report], report.rows), ...damage].join('\n'));
      return damage.length === 0 ? EXIT.done : EXIT.failed;
    }
    const partitions = await reportFolder(isManifest ? dirname(place) : place, flags.verify === true);
    if (partitions.length === 0) throw new Fault('invalid', `${path}: no partition lies in or below it`, { got: path });
    output.result({ partitions }, partitions.map(partitionText).join('\n\n'));
    return partitions.every(({ damage }) => damage.length === 0) ? EXIT.done : EXIT.failed;
  },
).option('--verify', 'compare every file with the checksum its manifest has');

/** The parent of `store inspect`. */
export const store = new Command('store').description('look at column files').addCommand(inspect);

async function reportFile(path: string, bytes: number): Promise<{ report: FileReport; damage: string[] }> {
  const disk = new NodeDisk(dirname(path));
  const damage: string[] = [];
  const report = await inspectFile(disk, basename(path), bytes, await tableAbove(dirname(dirname(path))), damage);
  return { report, damage };
}

/** The table whose partition the folder is; null when it is none. */
async function tableAbove(folder: string): Promise<Table | null> {
  const disk = new NodeDisk(folder);
  const generations = (await disk.list('.')).map(generationOf).filter((generation) => generation !== null);
  return generations.length === 0 ? null : (await readManifest(disk, '.', Math.max(...generations))).table;
}

async function reportFolder(folder: string, verify: boolean, depth = 0): Promise<PartitionReport[]> {
  const parent = new NodeDisk(dirname(folder));
  const own = await inspectPartition(parent, basename(folder), verify);
  if (own !== null) return [{ ...own, folder }];
  if (depth === DEPTH_MAX) return [];
  const reports: PartitionReport[] = [];
  for (const name of await new NodeDisk(dirname(folder)).list(basename(folder))) {
    const below = join(folder, name);
    if ((await stat(below)).isDirectory()) reports.push(...(await reportFolder(below, verify, depth + 1)));
  }
  return reports;
}

function partitionText(report: PartitionReport): string {
  const { folder, table, format, generation, positions, purged, rows, live, bytes, segments, damage } = report;
  const places = Object.entries(positions).map(([origin, at]) => `${origin} ${formatPosition(at)}`);
  const lines = [
    `${folder}: table ${table ?? '(none)'}, format ${format}, generation ${generation}`,
    `  positions  ${places.length === 0 ? 'none' : places.join(', ')}`,
    ...(purged === null ? [] : [`  forgotten  deletions before ${new Date(purged.ms).toISOString()}`]),
    `  ${segments.length} segments, ${rows} rows, ${live} of them live, ${bytes} bytes${perRow(bytes, rows)}`,
  ];
  for (const segment of segments) {
    const range = `${JSON.stringify(segment.first)} to ${JSON.stringify(segment.last)}`;
    lines.push(
      '',
      `  ${segment.name}: ${segment.rows} rows, ${segment.live} live${perRow(segment.bytes, segment.rows)}, ${range}`,
    );
    lines.push(fileLines(segment.files, segment.rows).replace(/^/gm, '    '));
  }
  return [...lines, ...damage.map((text) => `  DAMAGED ${text}`)].join('\n');
}

function perRow(bytes: number, rows: number): string {
  return rows === 0 ? '' : `, ${(bytes / rows).toFixed(2)} bytes a row`;
}

function fileLines(files: readonly FileReport[], rows: number): string {
  return textTable(
    ['file', 'type', 'encodings', 'zstd', 'bytes', 'a row', 'values', 'deleted', 'min', 'max'],
    files.map((file) => [
      file.file,
      file.type === null ? file.kind : formatColumnType(file.type),
      Object.entries(file.encodings)
        .map(([name, blocks]) => (blocks === 1 ? name : `${name} ${blocks}`))
        .join(', '),
      file.zstdBlocks === 0 ? null : file.zstdBlocks,
      file.bytes,
      rows === 0 ? null : (file.bytes / rows).toFixed(2),
      file.values,
      file.deleted === 0 ? null : file.deleted,
      file.min,
      file.max,
    ]),
  );
}
