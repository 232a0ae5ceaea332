/** Which known name somebody probably meant. */

/**
 * The known name that takes the fewest single-character edits to reach, however the letters are cased.
 * @returns null when even that is further than about a third of the word
 */
export function nearestName(name: string, known: Iterable<string>): string | null {
  let nearest: string | null = null;
  let editsMin = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= editsMin) continue;
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (edits < editsMin) {
      nearest = candidate;
      editsMin = edits;
    }
  }
  return nearest;
}

/** What to add to a message about an unknown name: ` (nearest: delay)`, or nothing. */
export function nearestHint(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return nearest === null ? '' : ` (nearest: ${nearest})`;
}

/** Insertions, removals, replacements and swaps of neighbours between two words. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
