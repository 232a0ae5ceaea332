/**
 * When a broker counts as ready. One Metadata request in Kafka's own bytes: a whole client would cost more than the
 * question, and this one is asked many times a second while a broker boots.
 */

import { once } from 'node:events';
import { connect } from 'node:net';

const ANSWER_WAIT_MS = 1_000;
const METADATA = 3;
const VERSION = 1;

/**
 * True when the broker at this loopback port is registered and unfenced (only then its own metadata names it, and the
 * controller gives it leaderships) and every partition it holds has a leader. One look; it never throws.
 */
export async function isBrokerReady(port: number): Promise<boolean> {
  try {
    return namesBrokerAndLeaders(await askMetadata(port));
  } catch {
    return false;
  }
}

async function askMetadata(port: number): Promise<Buffer> {
  const request = Buffer.alloc(4 + 2 + 2 + 4 + 2 + 4);
  request.writeInt32BE(request.length - 4, 0);
  request.writeInt16BE(METADATA, 4);
  request.writeInt16BE(VERSION, 6);
  request.writeInt32BE(1, 8); // correlation id
  request.writeInt16BE(-1, 12); // no client id
  request.writeInt32BE(-1, 14); // all topics
  const signal = AbortSignal.timeout(ANSWER_WAIT_MS);
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect', { signal });
    socket.write(request);
    let answer = Buffer.alloc(0);
    while (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) {
      const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
      answer = Buffer.concat([answer, chunk]);
    }
    return answer;
  } finally {
    socket.destroy();
  }
}

/** Walks a Metadata answer, version 1: brokers, controller, topics with their partitions. */
function namesBrokerAndLeaders(answer: Buffer): boolean {
  let at = 8; // after length and correlation id
  const skip = (bytes: number): void => {
    at += bytes;
  };
  const int32 = (): number => {
    skip(4);
    return answer.readInt32BE(at - 4);
  };
  const skipText = (): void => {
    skip(2);
    skip(Math.max(0, answer.readInt16BE(at - 2)));
  };
  const brokerCount = int32();
  for (let broker = 0; broker < brokerCount; broker++) {
    skip(4); // node id
    skipText(); // host
    skip(4); // port
    skipText(); // rack
  }
  skip(4); // controller
  let leaderless = 0;
  for (let topics = int32(); topics > 0; topics--) {
    skip(2); // error
    skipText(); // name
    skip(1); // internal
    for (let partitions = int32(); partitions > 0; partitions--) {
      skip(2 + 4); // error, partition
      if (int32() < 0) leaderless++;
      skip(4 * int32()); // replicas
      skip(4 * int32()); // in-sync replicas
    }
  }
  return brokerCount > 0 && leaderless === 0;
}
