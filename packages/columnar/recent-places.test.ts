import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecentPlaces } from './recent-places.ts';

it('what it tells of a text is what was noted last, or nothing; and nothing once it is cleared', () => {
  const text = fc.record({ start: fc.constantFrom(0, 1, 7, 1_024, 1_031, 2_048, 4_000_000_000), length: fc.nat(3) });
  const notes = fc.array(fc.tuple(text, fc.nat(9)), { maxLength: 30 });
  fc.assert(
    fc.property(notes, text, (all, asked) => {
      const places = new RecentPlaces();
      const known = new Map<string, number>();
      for (const [{ start, length }, found] of all) {
        places.note(start, length, found);
        known.set(`${start}/${length}`, found);
        expect(places.find(start, length)).toBe(found);
      }
      expect([-1, known.get(`${asked.start}/${asked.length}`) ?? -1]).toContain(places.find(asked.start, asked.length));
      const isKnown = places.find(asked.start, asked.length) >= 0;
      expect([places.meet(asked.start, asked.length), places.meet(asked.start, asked.length)]).toEqual([isKnown, true]);
      places.clear();
      expect(places.find(asked.start, asked.length)).toBe(-1);
    }),
  );
});
