/**
 * `npm run search`: everything CI searches, as a table. `-- --large`: more than that. `-- --sites 3 --k 1 …
 * --without rule,rule --states 2000000`: one search of one's own (see `scope.ts`).
 */

import { parseArgs } from 'node:util';
import { type Outcome, searchWorld } from './breadth-first.ts';
import { ALL_RULES, RULES, type RuleName, without } from './rules.ts';
import { BASE, type Scope } from './scope.ts';
import { LARGE, SCOPES, SHOWN_BY } from './scopes.ts';

const STATES_MAX = 20_000_000;
const NUMBERS = [
  'sites',
  'partitions',
  'k',
  'kMin',
  'epochs',
  'writes',
  'flying',
  'tails',
  'wipes',
  'change',
  'first',
] as const;

const { values } = parseArgs({
  options: {
    large: { type: 'boolean', default: false },
    levels: { type: 'string' },
    without: { type: 'string' },
    states: { type: 'string', default: String(STATES_MAX) },
    ...Object.fromEntries(NUMBERS.map((name) => [name, { type: 'string' as const }])),
  },
});

const { large, levels, without: removed, states, ...given } = values;
if (levels === undefined && removed === undefined && Object.keys(given).length === 0) all();
else one();

function all(): void {
  console.log('| scope | states | moves | depth | seconds | found |\n|---|---|---|---|---|---|');
  for (const [name, scope] of Object.entries(large ? LARGE : SCOPES)) {
    console.log(rowOf(name, searchWorld(scope, ALL_RULES, STATES_MAX)));
  }
  console.log('\n| without | states | steps | found | shortest story |\n|---|---|---|---|---|');
  for (const { rule, scope } of SHOWN_BY) {
    const outcome = searchWorld(scope, without(rule), STATES_MAX);
    const story = outcome.found?.story ?? [];
    const cells = [`${rule}: ${RULES[rule]}`, outcome.states, story.length, outcome.found?.broken, story.join('; ')];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

function rowOf(name: string, { states: count, moves, depth, seconds, found, complete }: Outcome): string {
  const what = found?.broken ?? (complete ? 'nothing' : 'nothing yet');
  return `| ${[name, count, moves, depth, seconds, what].join(' | ')} |`;
}

function one(): void {
  const numbers = Object.entries(given).map(([name, text]) => [name, Number(text)]);
  const chosen = levels === undefined ? {} : { levels: levels.split(',').map(Number) };
  const scope: Scope = { ...BASE, ...Object.fromEntries(numbers), ...chosen };
  const names = (removed ?? '').split(',').filter((name): name is RuleName => name in RULES);
  const { found, ...outcome } = searchWorld(scope, without(...names), Number(states));
  console.log(JSON.stringify({ scope, without: names, ...outcome, broken: found?.broken ?? null }));
  for (const [at, words] of (found?.story ?? []).entries()) console.log(`${String(at + 1).padStart(4)}  ${words}`);
}
