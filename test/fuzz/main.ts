/** `npm run fuzz -- --seed 7 --requests 100000`: requests with something wrong, to every route of three sites. */

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fuzzHttp } from './http-fuzz.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, requests: { type: 'string', default: '100000' } },
});
const seed = Number(values.seed ?? randomInt(1_000_000));
console.log(`seed ${seed}`);
const { requests, byStatus } = await fuzzHttp(seed, Number(values.requests), (words) => console.log(words));
console.log(`${requests} requests, all promises kept: ${JSON.stringify(byStatus)}`);
