/** What the demo shows: the three sites as a picture, and the measured table. Pure. */

import type { DemoReport } from './demo-report.ts';

const count = (n: number): string => Math.round(n).toLocaleString('en');
const ms = (n: number | null): string => (n === null ? 'never' : `${count(n)} ms`);

/** A site at one moment of the story. */
export type Pictured = { readonly site: string; readonly lines: readonly string[]; readonly isLost?: boolean };

/** The sites side by side, a lost one in broken lines. */
export function picture(sites: readonly Pictured[]): string {
  const boxes = sites.map(box);
  const height = Math.max(...boxes.map((lines) => lines.length));
  return Array.from({ length: height }, (_, row) => `  ${boxes.map((lines) => lines[row] ?? '').join('   ')}`).join(
    '\n',
  );
}

const BOX_WIDTH = 22;

function box({ site, lines, isLost = false }: Pictured): string[] {
  const [corner, flat, upright] = isLost ? ['·', '·', '·'] : ['┌┐└┘', '─', '│'];
  const [topLeft, topRight, bottomLeft, bottomRight] = isLost ? ['·', '·', '·', '·'] : [...corner!];
  const text = (line: string): string => `${upright} ${line.padEnd(BOX_WIDTH)} ${upright}`;
  return [
    `${topLeft}${flat} ${site} ${flat!.repeat(BOX_WIDTH - site.length - 1)}${topRight}`,
    ...lines.map(text),
    `${bottomLeft}${flat!.repeat(BOX_WIDTH + 2)}${bottomRight}`,
  ];
}

/** The figures of a run. */
export function tableOf(report: DemoReport): string {
  const { failover, returned, replay } = report;
  const lines: [string, string][] = [
    [
      'rows offered / acked / unknown',
      `${count(report.rowsOffered)} / ${count(report.rowsAcked)} / ${count(report.rowsUnknown)}`,
    ],
    ['lag write → readable elsewhere', `p50 ${count(report.lagMs.p50)} ms, p99 ${count(report.lagMs.p99)} ms`],
    ['failover', `${failover.from} → ${failover.to ?? 'NOBODY'}, epoch ${failover.epoch ?? '?'}`],
    ['  the loss was detected after', ms(failover.detectedMs)],
    ['  another site was primary after', ms(failover.promotedMs)],
    ['  the client had an ack again after', ms(failover.writesBackMs)],
    ['acked rows missing / wrong', `${report.ackedRowsMissing} / ${report.ackedRowsWrong}`],
    [
      'the lost site returned',
      `${returned.site}, level after ${ms(returned.caughtUpMs)}; ${count(returned.divergentRecords)} records beyond the epoch end, ${count(returned.exported)} rows exported`,
    ],
    ['digests', report.digestsEqual ? 'equal at all sites' : 'DIFFERENT'],
    ['replay into a scratch table', `${count(replay.records)} records, ${replay.equal ? 'equal' : 'DIFFERENT'}`],
    ['whole demo', `${(report.durationMs / 1_000).toFixed(1)} s`],
  ];
  const width = Math.max(...lines.map(([what]) => what.length));
  return lines.map(([what, value]) => `  ${what.padEnd(width)}  ${value}`).join('\n');
}
