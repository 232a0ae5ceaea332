/** Row 1: everything of the primary site is killed with −9 under load and put out of reach; later it returns. */

import { killPrimary } from '@tidemark/cli/drill/kill-primary';
import { BATCH_ROWS, type FaultRow, promise, promiseBalance, RATE } from './stage/fault-row.ts';

const WRITES_BACK_MS_MAX = 60_000;

export const siteLost: FaultRow = {
  row: 1,
  fault: 'primary site lost, sync(1), 3 sites',
  promise: 'no acked row lost; writes back within 60 s, aim 3 s; the site returns with equal digests',
  sizeIs: 'times the primary is lost',
  small: 1,
  large: 10,
  mutants: ['cut-far-too-low'],
  run: async ({ stage, folder, size, say }) => {
    const backMs: number[] = [];
    const promotedMs: number[] = [];
    for (let loss = 0; loss < size; loss++) {
      const report = await killPrimary(stage, { folder, say, rate: RATE, batchRows: BATCH_ROWS, calmMs: 2_000 });
      promiseBalance(report, []);
      const { writesBackMs } = report.rto;
      promise(report.to !== null && report.to !== report.from, `${report.from} was lost and ${report.to} took over`);
      promise(writesBackMs !== null && writesBackMs <= WRITES_BACK_MS_MAX, `writes were back after ${writesBackMs} ms`);
      backMs.push(writesBackMs!);
      promotedMs.push(report.rto.promotedMs ?? 0);
    }
    return { losses: size, writesBackMsMax: Math.max(...backMs), promotedMsMax: Math.max(...promotedMs), rowsLost: 0 };
  },
};
