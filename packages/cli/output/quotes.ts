/** SQL's quotes in what a person types: "a column, with a comma" and 'a text with it''s own'. */

/** A name or text that may stand in quotes. */
export type Word = { readonly text: string; readonly isQuoted: boolean };

/** For regular expressions: a name in double quotes. */
export const QUOTED_NAME = '"(?:[^"]|"")+"';

const QUOTED = { '"': /^"((?:[^"]|"")+)"$/s, "'": /^'((?:[^']|'')*)'$/s } as const;

/** Without its quotes, where all of the text stands between two of that kind; null where quotes are there and do not fit. */
export function unquoted(text: string, quote: '"' | "'"): Word | null {
  if (!text.startsWith(quote)) return { text, isQuoted: false };
  const inside = QUOTED[quote].exec(text)?.[1];
  return inside === undefined ? null : { text: inside.replaceAll(quote + quote, quote), isQuoted: true };
}

/** The items between commas that stand in no quotes and no brackets, without the blanks around them; empty ones are none. */
export function itemsOf(text: string): string[] {
  const items: string[] = [];
  let from = 0;
  let depth = 0;
  let quote: string | null = null;
  for (let at = 0; at <= text.length; at++) {
    const char = text[at];
    // A quote that is doubled closes and opens again.
    if (quote !== null && char === quote) quote = null;
    else if (quote === null && (char === '"' || char === "'") && isStart(text, from, at)) quote = char;
    if (quote !== null && char !== undefined) continue;
    if (char === '(') depth++;
    else if (char === ')') depth--;
    if (char !== undefined && (char !== ',' || depth > 0)) continue;
    items.push(text.slice(from, at).trim());
    from = at + 1;
  }
  return items.filter((item) => item !== '');
}

/** A quote in the midst of a word is an apostrophe; a doubled one opens again. */
function isStart(text: string, from: number, at: number): boolean {
  return /(?:^|[\s(,"'])$/.test(text.slice(from, at));
}
