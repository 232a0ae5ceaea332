/** The consumer groups a site's broker knows of, as an operator's own tool lists them. */

import type { DevSite } from '@tidemark/dev/sites';
import kafkajs from 'kafkajs';

const { Kafka, logLevel } = kafkajs;

export async function groupsAt(site: DevSite): Promise<string[]> {
  const admin = new Kafka({ brokers: [site.kafka!.address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return (await admin.listGroups()).groups.map(({ groupId }) => `${groupId} at ${site.name}`);
  } finally {
    await admin.disconnect();
  }
}
