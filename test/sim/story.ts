/** A scenario and how it ended, in words. */

import type { SimFault } from './faults/sim-fault.ts';
import type { Scenario } from './scenario.ts';
import { wordsOfShape } from './shape.ts';
import type { Violation } from './world.ts';

export function wordsOf(fault: SimFault): string {
  switch (fault.kind) {
    case 'kill':
      return fault.power ? `${fault.site} loses power` : `${fault.site} is killed`;
    case 'doom':
      return `${fault.site} will die ${fault.done ? 'after' : 'before'} step ${fault.afterSteps} from now`;
    case 'pause':
      return `${fault.site} stands still`;
    case 'cut':
      return `${fault.from} ${fault.both ? 'and' : 'can send nothing to'} ${fault.to}${fault.both ? ' cannot reach each other' : ''}`;
    case 'isolate':
      return `${fault.site} is cut off from the other sites${fault.clientsToo ? ' and from clients' : ''}`;
    case 'lossy':
      return `${Math.round(fault.rate * 100)} % of messages are lost`;
    case 'slow':
      return `messages take up to ${fault.ms} ms longer`;
    case 'late':
      return `requests to and from ${fault.site} for ${fault.of || 'anything'} take up to ${fault.ms} ms longer`;
    case 'slow-log':
      return `appends to ${fault.of} at ${fault.site} take up to ${fault.ms} ms longer${fault.landed ? ' to be answered' : ''}`;
    case 'early':
      return `an EPOCH_START of ${fault.origin} turns up early at ${fault.site}`;
    case 'operators':
      return `operators at all sites pause and resume, every ${fault.everyMs} ms or sooner`;
    case 'when':
      return `the next sign "${fault.sees}" of ${fault.site === '*' ? 'any site' : fault.site} brings: ${wordsOf(fault.brings)}`;
    case 'appends':
      return `${Math.round(fault.rate * 100)} % of appends to the log of ${fault.site} are refused, lost, late or not answered`;
    case 'stuck-copies':
      return `no copy of partition ${fault.partition} is written`;
    case 'log-away':
      return `the log of ${fault.site} cannot be reached`;
    case 'poison':
      return `a foreign record turns up in the log of ${fault.site}`;
    case 'lost-end':
      return `${fault.site} is killed, and its log comes back shorter`;
    case 'wipe':
      return `${fault.site} is killed, and all its disks come back empty`;
    case 'restored':
      return `${fault.site} is killed, and comes back with ${fault.of === 'both' ? 'folder and log' : `its ${fault.of}`} as it was ${fault.backMs} ms before`;
    case 'remade':
      return `${fault.site} is killed, and one of its topics is made again`;
    case 'twin':
      return `${fault.site} is started a second time, with ${fault.folder === 'same' ? 'the same folder' : 'a folder of its own'}`;
    case 'trimmed':
      return `a partition at ${fault.site} is trimmed to its last records`;
    case 'board-empty':
      return `the board of ${fault.site} restarts empty`;
    case 'board-away':
      return `the board of ${fault.site} cannot be reached`;
    case 'board-late':
      return `the board of ${fault.site} stands still and executes later`;
    case 'clock':
      return `the clock of ${fault.site} is wrong by ${fault.wrongMs} ms${fault.strobes ? ', on and off' : ''}`;
    case 'forged':
      return 'somebody forges requests to every site';
    case 'column':
      return 'the table gets a column more';
    case 'disk-full':
      return `the disk of ${fault.site} is full`;
    case 'disk-error':
      return `the disk of ${fault.site} answers EIO now and then`;
    case 'nominate':
      return `${fault.site} is asked to become the primary (${fault.cause}${fault.loss === undefined ? '' : `, with a loss of ${fault.rowsMax ?? 'any'} rows, ${fault.loss}`})`;
  }
}

export function storyOf(scenario: Scenario, violation: Violation, end: readonly string[]): string {
  const { seed, shape, durationMs, clients, faults } = scenario;
  const lines = [
    `Seed ${seed}: ${violation.rule} is broken ${seconds(violation.atMs)} into the run.`,
    `  ${violation.words}`,
    `${wordsOfShape(shape)}; ${clients.length} clients for ${seconds(durationMs)}.`,
    ...faults.map((fault) => `  at ${seconds(fault.atMs)} for ${seconds(fault.forMs)}: ${wordsOf(fault)}`),
    'The last that happened:',
    ...end.map((line) => `  ${line}`),
  ];
  return lines.join('\n');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
