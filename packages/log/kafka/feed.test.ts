import { describe, expect, it } from 'vitest';
import { KafkaFeed } from './feed.ts';
import { encodeRecords } from './records.ts';

const VIEW = { name: 't', id: 'id', leaders: [1], isInternal: false, replicas: 1 };

/** Two records, as the broker stores them. */
function batch(base: number, leaderEpoch: number, text = 'x'): Buffer {
  const bytes = encodeRecords([{ value: Buffer.from(text) }, { value: Buffer.from('y') }], 5);
  bytes.writeBigInt64BE(BigInt(base), 0);
  bytes.writeInt32BE(leaderEpoch, 12);
  return bytes;
}

function opened() {
  const feed = new KafkaFeed(VIEW, 0, { place: 't/0', from: 0, end: 4, committedOnly: false });
  const bring = (end: number, ...batches: Buffer[]) =>
    feed.bring({
      ...{ topicId: 'id', partition: 0, error: 0, end, aborted: [], divergesAt: null },
      records: Buffer.concat(batches),
    });
  const asked = () => [feed.ask.from, feed.ask.leaderEpoch];
  const offsets = () => feed.take(1e6, null)?.records.map(({ offset }) => offset) ?? null;
  return { feed, bring, asked, offsets };
}

describe('a feed whose broker says that the log differs', () => {
  it('goes on where the last batch stands as it stood: it was the leader epoch that was wrong, which no checksum covers', () => {
    const { feed, bring, asked, offsets } = opened();
    bring(4, batch(0, 7), batch(2, 7 ^ 1024));
    expect([asked(), offsets()]).toEqual([
      [4, 1031],
      [0, 1, 2, 3],
    ]);
    feed.diverges(4);
    expect(asked()).toEqual([2, -1]);
    bring(4, batch(2, 7 ^ 1024));
    expect([asked(), offsets()]).toEqual([[4, -1], null]);
    bring(6, batch(4, 8));
    expect([asked(), offsets()]).toEqual([
      [6, 8],
      [4, 5],
    ]);
  });

  it.each([
    ['another batch stands there', [batch(2, 8, 'z')]],
    ['nothing does', []],
    ['one that begins earlier does', [batch(1, 7)]],
  ])('ends where %s: the log lost its end', (_, found) => {
    const { feed, bring, offsets } = opened();
    bring(4, batch(0, 7), batch(2, 7));
    expect(offsets()).toHaveLength(4);
    feed.diverges(2);
    bring(found.length === 0 ? 2 : 4, ...found);
    expect(() => feed.take(1e6, null)).toThrow('t/0: the log lost its end: read up to offset 4, it differs from 2 on');
  });

  it('ends where nothing was read before that could be looked at again', () => {
    const { feed } = opened();
    feed.diverges(0);
    expect(() => feed.take(1e6, null)).toThrow('lost its end');
  });
});
