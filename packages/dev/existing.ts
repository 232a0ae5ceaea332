/**
 * Services that are there already. `TIDEMARK_KAFKA` and `TIDEMARK_REDIS` name one address per site, separated by `;`
 * or `,`, and then nothing is started: `TIDEMARK_KAFKA=k1:9092,k2:9092,k3:9092` is three sites with one broker each,
 * `TIDEMARK_KAFKA=k1:9092,k2:9092;k3:9092;k4:9092` three sites, the first with two brokers.
 */

import { Fault } from '@tidemark/platform/fault';

/** Broker addresses (`host:port`) per site, or null when Kafka is to be started. */
export function existingKafka(text = process.env.TIDEMARK_KAFKA): string[][] | null {
  if (text === undefined || text.trim() === '') return null;
  const sites = text.includes(';')
    ? parts(text, ';').map((site) => parts(site, ','))
    : parts(text, ',').map((a) => [a]);
  for (const address of sites.flat())
    if (!/^[^\s/:]+:\d+$/.test(address)) throw wrong('TIDEMARK_KAFKA', address, 'host:port');
  return sites;
}

/** One `redis://host:port` per site, or null when Redis is to be started; a bare `host:port` gets its scheme. */
export function existingRedis(text = process.env.TIDEMARK_REDIS): string[] | null {
  if (text === undefined || text.trim() === '') return null;
  return parts(text, /[;,]/).map((part) => {
    const address = part.includes('://') ? part : `redis://${part}`;
    if (!/^rediss?:\/\/[^\s/]+(\/\d+)?$/.test(address)) throw wrong('TIDEMARK_REDIS', part, 'redis://host:port');
    return address;
  });
}

function parts(text: string, separator: string | RegExp): string[] {
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function wrong(setting: string, got: string, expected: string): Fault {
  return new Fault('invalid', `${setting}: got ${JSON.stringify(got)}, expected ${expected}`, { got, expected });
}
