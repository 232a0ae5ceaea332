/** The lanes of a test run: which files need which real service, and which of those this machine cannot provide. */

import { existingKafka, existingRedis } from '@tidemark/dev/existing';
import { kafkaObstacle } from '@tidemark/dev/kafka-jars';
import { redisObstacle } from '@tidemark/dev/redis';

/** A set of test files that needs real services. */
export type Lane = { readonly files: string; readonly needs: readonly Part[] };

type Part = 'kafka' | 'redis';

export const LANES: readonly Lane[] = [
  { files: '**/*.kafka.test.ts', needs: ['kafka'] },
  { files: '**/*.redis.test.ts', needs: ['redis'] },
  { files: 'test/cluster/**/*.test.ts', needs: ['kafka', 'redis'] },
];

/** A lane that cannot run here, and what a person would have to install. */
export type MissingLane = { readonly files: string; readonly reason: string };

/** The lanes this machine cannot run; empty on a complete one, or where existing services are named. */
export function missingLanes(): MissingLane[] {
  const obstacles: Record<Part, string | null> = {
    kafka: existingKafka() === null ? kafkaObstacle() : null,
    redis: existingRedis() === null ? redisObstacle() : null,
  };
  return LANES.flatMap(({ files, needs }) => {
    const reasons = needs.flatMap((part) => obstacles[part] ?? []);
    return reasons.length === 0 ? [] : [{ files, reason: reasons.join('; ') }];
  });
}
