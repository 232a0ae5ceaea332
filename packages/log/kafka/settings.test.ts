import { describe, expect, it } from 'vitest';
import { differing, inWords, MESSAGE_BYTES_MAX, remedyFor, replicasOf, settingsOf } from './settings.ts';

const WANTED = settingsOf({ flushed: true }, 3);

describe('settings of a topic', () => {
  it('are as many replicas as there are brokers, three at most, whether they are up or not', () => {
    expect([replicasOf(1, 1), replicasOf(1, 3), replicasOf(3, 1), replicasOf(5, 2)]).toEqual([1, 3, 3, 3]);
    expect(settingsOf({ flushed: false }, 3)).toMatchObject({ 'min.insync.replicas': '2', 'retention.ms': '-1' });
    // One broker less, and two replicas that must both be there would take nothing.
    expect(settingsOf({ flushed: false }, 2)).toMatchObject({ 'min.insync.replicas': '1' });
  });

  it('are left alone where they are as wanted, or take larger messages', () => {
    expect(differing(WANTED, { ...WANTED, 'segment.bytes': '1' })).toEqual([]);
    expect(differing(WANTED, { ...WANTED, 'max.message.bytes': String(MESSAGE_BYTES_MAX + 1) })).toEqual([]);
  });

  it('that are other ones are named with both values, and with the command that sets them', () => {
    for (const [setting, got] of Object.entries({
      'retention.ms': '604800000',
      'retention.bytes': '1000000',
      'cleanup.policy': 'compact',
      'min.insync.replicas': '1',
      'flush.messages': '9223372036854775807',
      'max.message.bytes': '1048588',
      'unclean.leader.election.enable': 'true',
    })) {
      const found = differing(WANTED, { ...WANTED, [setting]: got });
      expect(found).toEqual([{ setting, got, wanted: WANTED[setting] }]);
      expect(inWords(found)).toBe(`${setting}=${got} is to be ${WANTED[setting]}`);
      expect(remedyFor('t', 'b:1', found)).toMatch(
        new RegExp(`--entity-name t --add-config ${setting}=${WANTED[setting]}$`),
      );
    }
  });
});
