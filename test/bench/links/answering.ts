/** A thread that takes connections as a broker does and answers at once: what is measured is the client alone. */

import { createServer, type Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { API } from '@tidemark/log/kafka/wire';

const HEADER_BYTES = 12;
const API_VERSIONS = 18;
const ANSWER_BYTES = { fetch: 1024 * 1024, other: 60 };

/** Every version of every request that is made. */
function versions(): Buffer {
  const apis = Object.values(API);
  const answer = Buffer.alloc(6 + 6 * apis.length);
  answer.writeInt32BE(apis.length, 2);
  apis.forEach(({ apiKey }, i) => {
    answer.writeInt16BE(apiKey, 6 + 6 * i);
    answer.writeInt16BE(99, 10 + 6 * i);
  });
  return answer;
}

const fetched = Buffer.alloc(ANSWER_BYTES.fetch);
const other = Buffer.alloc(ANSWER_BYTES.other);
const known = versions();

function answerTo(apiKey: number): Buffer {
  if (apiKey === API_VERSIONS) return known;
  return apiKey === API.fetch.apiKey ? fetched : other;
}

/** Reads each request's header, lets its body pass, and answers when it is through. */
function serve(socket: Socket): void {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let bodyLeft = 0;
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      const isHeader = headerBytes < HEADER_BYTES;
      const taken = isHeader ? bytes.copy(header, headerBytes, at) : Math.min(bodyLeft, bytes.length - at);
      at += taken;
      if (isHeader) {
        headerBytes += taken;
        if (headerBytes === HEADER_BYTES) bodyLeft = header.readInt32BE(0) - HEADER_BYTES + 4;
      } else bodyLeft -= taken;
      if (headerBytes < HEADER_BYTES || bodyLeft > 0) continue;
      headerBytes = 0;
      const answer = answerTo(header.readInt16BE(4));
      const head = Buffer.alloc(8);
      head.writeInt32BE(4 + answer.length, 0);
      header.copy(head, 4, 8, HEADER_BYTES);
      socket.cork();
      socket.write(head);
      socket.write(answer);
      socket.uncork();
    }
  });
}

const server = createServer({ noDelay: true }, serve);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  parentPort!.postMessage(typeof address === 'object' ? address?.port : null);
});
