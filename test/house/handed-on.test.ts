import { expect, it } from 'vitest';
import { handedOn } from './handed-on.ts';

it('a bag that is handed on, made of another one, or has more than is used is found', () => {
  const of = (text: string): string[] => handedOn('one.ts', text);
  const type = 'type OneParts = { readonly log: Log; readonly clock: Clock };';
  const used = `${type} function one({ log, clock }: OneParts) { return two({ log, clock }); }`;
  expect(of(used)).toEqual([]);
  expect(of(`${used} const three = [...parts, ...this.#parts];`)).toEqual([]);
  expect(of(`${used} new Two({ ...this.#parts, site });`)).toEqual(['...this.#parts hands on all of it']);
  expect(of(`${used} two({ site, ...parts });`)).toEqual(['...parts hands on all of it']);
  expect(of(`${used} type TwoParts = OneParts & { readonly site: string };`)).toEqual([
    'TwoParts is made of another type',
  ]);
  expect(of(`${used} type TwoParts = Omit<OneParts, 'log'>;`)).toEqual(['TwoParts is made of another type']);
  expect(of(`${type} function one({ clock }: OneParts) { return clock.nowMs(); }`)).toEqual([
    'log is asked for and not used',
  ]);
});
