/** The tables that a query may mean: its words of the form keyspace.table, outside of texts and comments. */

export type SqlTable = { readonly keyspace: string; readonly name: string };

const WORD = '(?:"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_-]*)';
/** What is no name, and has to be passed over as a whole; or a name of two parts or more. */
const TOKENS = new RegExp(`'(?:[^']|'')*'|--[^\\n]*|/\\*[\\s\\S]*?\\*/|${WORD}(?:\\s*\\.\\s*${WORD})*`, 'g');

/** Each once, in the order of the query. Columns written `table.column` look the same; who asks knows the tables. */
export function tablesIn(query: string): SqlTable[] {
  const found = new Map<string, SqlTable>();
  for (const [token] of query.matchAll(TOKENS)) {
    if (token.startsWith("'") || token.startsWith('--') || token.startsWith('/*')) continue;
    const [keyspace, name] = [...token.matchAll(new RegExp(WORD, 'g'))].map(([word]) => plain(word));
    if (keyspace !== undefined && name !== undefined) found.set(JSON.stringify([keyspace, name]), { keyspace, name });
  }
  return [...found.values()];
}

function plain(word: string): string {
  return word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word;
}
