import type { Member, RegisterValue, Term } from '@tidemark/control/consensus/register-value';
import { ackOf } from '@tidemark/model/table';
import { SILENT } from '@tidemark/platform/logger';
import { describe, expect, it } from 'vitest';
import type { Appender } from './appender.ts';
import { Commits } from './commits.ts';

const member = (site: string, logId: string): Member => ({ site, state: 'ACTIVE', logIds: { paris: logId } });
const FIRST: Term = { epoch: 1, site: 'paris', writerId: 'w1', epochEnds: null };
const registerOf = (quito: string, ...terms: Term[]) =>
  ({ keyspace: 'k', ack: ackOf(1), members: [member('paris', 'p'), member('quito', quito)], terms }) as Pick<
    RegisterValue,
    'keyspace' | 'ack' | 'members' | 'terms'
  > as RegisterValue;

function commitsOf(value: RegisterValue): Commits {
  const appenders = [{ own: 50 } as Appender];
  return new Commits({ appenders, epoch: 1, origin: 'paris', value, logger: SILENT, onCommitted: () => {} });
}

describe('commits', () => {
  it('counts a member by the identity that the register lists while this term is the newest', () => {
    const commits = commitsOf(registerOf('q1', FIRST));
    commits.registerChanged(registerOf('q2', FIRST));
    commits.heard({ site: 'quito', logId: 'q1', positions: [[1, 40]] });
    expect(commits.committed(0)).toBe(-1);
    commits.heard({ site: 'quito', logId: 'q2', positions: [[1, 40]] });
    expect(commits.committed(0)).toBe(40);
  });

  it('counts nobody by what the register says of a later term', () => {
    const commits = commitsOf(registerOf('q1', FIRST));
    const closed = { ...FIRST, epochEnds: [{ seq: 3, chain: 'x' }] };
    commits.registerChanged(registerOf('q2', closed, { epoch: 2, site: 'tokyo', writerId: 'w2', epochEnds: null }));
    commits.heard({ site: 'quito', logId: 'q2', positions: [[1, 40]] });
    expect(commits.committed(0)).toBe(-1);
  });
});
