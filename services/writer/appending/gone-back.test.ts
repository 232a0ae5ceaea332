import { initialValue, type RegisterValue } from '@tidemark/control/consensus/register-value';
import { evolve } from '@tidemark/model/evolve';
import { parseKeyspaceFile } from '@tidemark/model/keyspace-file';
import { ackOf } from '@tidemark/model/table';
import { SILENT } from '@tidemark/platform/logger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Appender } from './appender.ts';
import { Commits } from './commits.ts';

const EPOCH = 3;
const KEYSPACE = evolve(
  null,
  parseKeyspaceFile({
    ...{ keyspace: 'travel', mode: 'single', primary: 'paris', ack: 'sync(1)', failover: 'manual', partitions: 1 },
    sites: { paris: 'data', quito: 'data' },
    tables: { t: { columns: { k: 'string' }, partitionKey: 'k' } },
  }),
).keyspace;

function valueWith(logId: string): RegisterValue {
  return {
    ...initialValue(KEYSPACE),
    ack: ackOf(1),
    terms: [{ epoch: EPOCH, site: 'paris', writerId: 'w', epochEnds: null }],
    members: [
      { site: 'paris', state: 'ACTIVE', logIds: { paris: 'p' } },
      { site: 'quito', state: 'ACTIVE', logIds: { paris: logId } },
    ],
  };
}

function commitsOf(own: number): Commits {
  const appender = { own, append: 0 } as unknown as Appender;
  const parts = { appenders: [appender], epoch: EPOCH, origin: 'paris', logger: SILENT, onCommitted: () => {} };
  return new Commits({ ...parts, value: valueWith('q') });
}

const line = (epoch: number, seq: number, logId = 'q') => ({
  site: 'quito',
  logId,
  positions: [[epoch, seq] as const],
});

describe('what a site says is durable', () => {
  it('counts no more, under the same identity, once it has gone back; what was committed stays so', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.integer({ min: -1, max: 20 }), fc.nat(30), (before, back, after) => {
        const commits = commitsOf(90);
        commits.heard(line(EPOCH, before));
        expect(commits.committed(0)).toBe(before);
        if (back >= before) {
          commits.heard(line(EPOCH, back));
          expect(commits.committed(0)).toBe(back);
          return;
        }
        expect(() => commits.heard(line(EPOCH, back))).toThrow(/an older copy/);
        commits.heard(line(EPOCH, 30 + after));
        expect(commits.committed(0)).toBe(before);
        expect(commits.counted('quito')).toEqual([before]);
        commits.registerChanged(valueWith('q~1'));
        expect(commits.counted('quito')).toEqual([-1]);
        commits.heard(line(EPOCH, 30 + after, 'q~1'));
        expect(commits.committed(0)).toBe(30 + after);
      }),
    );
  });

  it('a copy that is back in an earlier epoch has gone back too; one that cannot tell yet has not', () => {
    const commits = commitsOf(90);
    commits.heard(line(EPOCH, 7));
    commits.heard(line(0, -1));
    expect(() => commits.heard(line(EPOCH - 1, 90))).toThrow(/to 2:90 .* to 3:7/);
  });
});
