/** When a broker counts as ready. */

import { KafkaLink } from '@tidemark/log/kafka/link';
import { metadataRequest } from '@tidemark/log/kafka/wire';
import { SystemClock } from '@tidemark/platform/system-clock';

const ANSWER_MS_MAX = 1_000;

/**
 * True when the broker at this loopback port is registered and unfenced (only then its own metadata names it, and the
 * controller gives it leaderships) and every partition of its cluster has a leader. One look; it never throws.
 */
export async function isBrokerReady(port: number): Promise<boolean> {
  const address = `127.0.0.1:${port}`;
  let link: KafkaLink | null = null;
  try {
    const options = { clock: new SystemClock(), clientId: 'is-it-ready', openMsMax: ANSWER_MS_MAX };
    link = await KafkaLink.open(address, options);
    const { nodes, topics } = await link.send(metadataRequest(null), ANSWER_MS_MAX);
    return [...nodes.values()].includes(address) && topics.every(({ leaders }) => !leaders.includes(-1));
  } catch {
    return false;
  } finally {
    link?.close();
  }
}
