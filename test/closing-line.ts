/** Closes a run with what was not run, and one line: `N passed, N failed`, and `, N skipped` where there are any. */

import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';
import { missingLanes } from './lanes.ts';

type Count = { passed: number; failed: number; skipped: number };

export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const missing = missingLanes();
    for (const { files, reason: why } of missing) process.stdout.write(`\n!!! NOT RUN: ${files}: ${why}\n`);
    const isRefused = missing.length > 0 && process.env.CI === 'true';
    if (isRefused) process.exitCode = 1;
    const count = countTests(modules);
    count.failed += errors.length + (isRefused ? missing.length : 0);
    // A run that failed never closes with `0 failed`, whatever it was that failed.
    if (count.failed === 0 && reason !== 'passed') count.failed = 1;
    process.stdout.write(`\n${closingLine(count)}\n`);
  }
}

function closingLine({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Every test of the run; a file or hook that failed by itself counts as one more failed, as its tests never ran. */
function countTests(modules: readonly TestModule[]): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) count[stateOf(test.result().state)]++;
    for (const part of [module, ...module.children.allSuites()]) count.failed += part.errors().length > 0 ? 1 : 0;
  }
  return count;
}

function stateOf(state: 'passed' | 'failed' | 'skipped' | 'pending'): keyof Count {
  return state === 'pending' ? 'skipped' : state;
}
