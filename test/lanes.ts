/** The lanes of a test run: which files need which real service or program, and which of those this machine lacks. */

import { spawnSync } from 'node:child_process';
import { existingKafka, existingRedis } from '@tidemark/dev/existing';
import { kafkaObstacle } from '@tidemark/dev/kafka/kafka-jars';
import { redisObstacle } from '@tidemark/dev/redis/redis';

/** A set of test files that needs something of the machine. */
export type Lane = { readonly files: string; readonly needs: readonly Part[] };

type Part = 'kafka' | 'redis' | 'python3';

export const LANES: readonly Lane[] = [
  { files: '**/*.kafka.test.ts', needs: ['kafka'] },
  { files: '**/*.redis.test.ts', needs: ['redis'] },
  { files: 'test/cluster/**/*.test.ts', needs: ['kafka', 'redis'] },
  { files: '**/*.python.test.ts', needs: ['python3'] },
];

/** The files that need services which have to be booted first. */
export function serviceFiles(): string[] {
  return LANES.filter(({ needs }) => needs.some((part) => part !== 'python3')).map(({ files }) => files);
}

/** A lane that cannot run here, and what a person would have to install. */
export type MissingLane = { readonly files: string; readonly reason: string };

/** The lanes this machine cannot run; empty on a complete one, or where existing services are named. */
export function missingLanes(): MissingLane[] {
  const obstacles: Record<Part, string | null> = {
    kafka: existingKafka() === null ? kafkaObstacle() : null,
    redis: existingRedis() === null ? redisObstacle() : null,
    python3: pythonObstacle(),
  };
  return LANES.flatMap(({ files, needs }) => {
    const reasons = needs.flatMap((part) => obstacles[part] ?? []);
    return reasons.length === 0 ? [] : [{ files, reason: reasons.join('; ') }];
  });
}

function pythonObstacle(): string | null {
  const { status } = spawnSync('python3', ['-c', 'import json, struct, zlib'], { stdio: 'ignore' });
  return status === 0 ? null : 'python3 is not installed';
}
