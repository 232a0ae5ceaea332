/** Mutants of the register: who may promise, accept and choose what. */

import type { Mutant } from './mutant.ts';

const RULES = 'packages/control/consensus/register-rules.ts';

function withoutRule(rule: string, breaks: string): Mutant {
  return {
    name: `register-without-${rule.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    breaks,
    caughtBy: ['I1', 'I4', 'I20', 'I2', 'I19', 'setup', 'assertion'],
    file: RULES,
    from: `  ${rule}: true,`,
    to: `  ${rule}: false,`,
  };
}

export const REGISTERING: readonly Mutant[] = [
  withoutRule('preparesRise', 'rule 7: PREPARE only above every promise'),
  withoutRule('promisesHold', 'rule 7: ACCEPT below the promise is refused'),
  withoutRule('acceptPromises', 'rule 7: accepting is also promising'),
  withoutRule('highestWins', 'rule 7: the accepted value of the highest ballot goes on'),
  withoutRule('majorities', 'rule 6: nothing is chosen by less than a majority'),
  withoutRule('readsAgree', 'rule 8: what is read was reported alike by a majority'),
  withoutRule('valuesFollow', 'rule 6: what is accepted follows from what was chosen, whoever asks for it'),
  {
    name: 'a-forged-chosen-is-believed',
    breaks: 'rule 8: that a value was chosen is a hint, until a quorum says so',
    caughtBy: ['I1'],
    file: 'services/watchdog/vote/acceptor.ts',
    from: "const body = request.kind === 'chosen' ? null : bodyOfRequest(request);",
    to: 'const body = bodyOfRequest(request);',
  },
  {
    name: 'fenced-for-anybody',
    breaks: 'E3: a fence is written for the election that the register names',
    caughtBy: ['I20', 'I1', 'setup'],
    file: 'packages/control/consensus/register-tied.ts',
    from: 'if (election?.epoch !== by) return',
    to: 'if (election?.epoch === by - 0.5) return',
  },
  withoutRule('changesSought', 'rule 8: a change that may have happened is looked for'),
  {
    name: 'nobody-vouches-for-a-vote',
    breaks:
      'whose vote counts: an acceptor votes again once somebody vouches for it, or those that would know together have told',
    caughtBy: ['I1'],
    seed: 390_159_909,
    file: 'services/watchdog/vote/testimony.ts',
    from: 'if (forMs >= UNVOUCHED_MS || (forMs >= TOLD_MS && isEnough())) break;',
    to: 'if (forMs >= TOLD_MS) break;',
  },
  {
    name: 'let-in-by-what-it-accepted',
    breaks: 'whose vote counts: who an acceptor is decides whether it is let in, not what somebody had it accept',
    caughtBy: ['I20'],
    seed: 218_018_878,
    file: 'packages/control/consensus/register.ts',
    from: "const answer = await this.#parts.ask(site, { kind: 'read' });",
    to: "const answer = await this.#ask(site, { kind: 'read' });",
  },
];
