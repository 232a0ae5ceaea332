/** What the demo shows: three sites as a picture, and the measured table. */

import type { DemoReport } from './story.ts';

const count = (n: number): string => Math.round(n).toLocaleString('en');

/** The sites and what flows between them. */
export function picture(sites: readonly string[], engine: DemoReport['engine']): string {
  const [primary, ...replicas] = sites;
  const log = engine === 'kafka' ? 'Kafka' : 'SQLite';
  return [
    `  rows ──► ${primary}: writer ──► log (${log}) ──► column files`,
    ...replicas.map((name) => `                      └──► ${name}: mirror (${log}) ──► column files`),
  ].join('\n');
}

/** The figures of a run. */
export function tableOf(report: DemoReport): string {
  const lines: [string, string][] = [
    [
      'rows offered / acked / unknown',
      `${count(report.rowsOffered)} / ${count(report.rowsAcked)} / ${count(report.rowsUnknown)}`,
    ],
    ['rows at each site', report.sites.map((site, i) => `${site} ${count(report.rowsAtSites[i] ?? 0)}`).join(', ')],
    ['rows a second, acked', count(report.rowsPerSecond)],
    ['lag write → readable elsewhere', `p50 ${report.lagMs.p50} ms, p99 ${report.lagMs.p99} ms`],
    [
      'killed −9 in mid-load',
      report.killed.map(({ site, role, downMs }) => `${site} (${role}, ${count(downMs)} ms)`).join(', '),
    ],
    ['acked rows missing / wrong', `${report.ackedRowsMissing} / ${report.ackedRowsWrong}`],
    ['digests', report.digestsEqual ? `equal, ${report.digest?.slice(0, 16)}` : 'DIFFERENT'],
    [
      'column files built again',
      `${report.rebuilt.site}, ${count(report.rebuilt.ms)} ms, ${report.rebuilt.equal ? 'equal' : 'DIFFERENT'}`,
    ],
    [
      'replay into a scratch table',
      `${count(report.replay.records)} records, ${report.replay.equal ? 'equal' : 'DIFFERENT'}`,
    ],
    ['whole demo', `${(report.durationMs / 1_000).toFixed(1)} s`],
  ];
  const width = Math.max(...lines.map(([what]) => what.length));
  return lines.map(([what, value]) => `  ${what.padEnd(width)}  ${value}`).join('\n');
}
