import { SILENT } from '@tidemark/platform/logger';
import { SimClock } from '@tidemark/platform/sim/sim-clock';
import { expect, it } from 'vitest';
import { Keyspaces } from './keyspaces.ts';

it('says that a keyspace does not exist only once every control log was read that may hold it', async () => {
  const known = { isRead: false, unheard: ['tokyo', 'quito'], lacking: 'its log begins at 4' as string | null };
  await using keyspaces = new Keyspaces({
    site: 'paris',
    services: { writer: null, mirror: null, applier: null },
    ensureTopics: async () => {},
    urlOf: () => null,
    registerValue: () => null,
    isCatalogRead: () => known.isRead,
    unheard: () => known.unheard,
    lacking: () => known.lacking,
    clock: new SimClock(),
    logger: SILENT,
    onFatal: (error) => {
      throw error;
    },
  });
  const said = () => [keyspaces.unknown('travel').kind, keyspaces.elsewhere('travel').message];
  expect(said()).toEqual(['unavailable', expect.stringContaining('control log of paris yet')]);
  known.isRead = true;
  expect(said()).toEqual(['unavailable', expect.stringContaining('control log of tokyo, quito yet')]);
  known.unheard = [];
  expect(said()).toEqual(['unavailable', expect.stringMatching(/may be defined all the same: its log begins at 4$/)]);
  known.lacking = null;
  expect(said()).toEqual(['notFound', 'no keyspace "travel" at site paris; there are: none']);
});
