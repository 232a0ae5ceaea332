/** CSV (RFC 4180) in pieces: fields by comma, quotes doubled within quotes, line ends LF or CRLF. */

import { Fault } from '@tidemark/platform/fault';

const FIELD_CHARACTERS_MAX = 1024 * 1024;

/** A field's text; null for an empty field without quotes. */
export type CsvRecord = (string | null)[];

/** Reads one file piece by piece; a record may be split between pieces. */
export class CsvReader {
  /** Whole records read so far, the header included. */
  records = 0;
  readonly #name: string;
  #field = '';
  /** The field was quoted: `""` is empty text, not nothing. */
  #wasQuoted = false;
  #inQuotes = false;
  /** The last character was a quote within quotes: it ends them, or the next one makes it text. */
  #afterQuote = false;
  /** Characters of the field that stood in quotes: a carriage return among them is text. */
  #quotedLength = 0;
  #record: CsvRecord = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** The records that `text` completes. Empty lines are none. @throws {Fault} `invalid`: a field without an end. */
  read(text: string): CsvRecord[] {
    const found: CsvRecord[] = [];
    for (let at = 0; at < text.length; ) {
      at = this.#inQuotes ? this.#quoted(text, at) : this.#plain(text, at, found);
    }
    if (this.#field.length > FIELD_CHARACTERS_MAX) {
      const message = `${this.#name}: record ${this.records + 1} has a field of over ${FIELD_CHARACTERS_MAX} characters (a quote without its end?)`;
      throw new Fault('invalid', message, { got: this.#field.length });
    }
    return found;
  }

  /** The last record when the text does not end in a line end; null when it does. */
  end(): CsvRecord | null {
    if (this.#inQuotes && !this.#afterQuote) {
      throw new Fault('invalid', `${this.#name}: record ${this.records + 1} ends within quotes`);
    }
    const found: CsvRecord[] = [];
    this.#endRecord(found);
    return found[0] ?? null;
  }

  #quoted(text: string, from: number): number {
    if (this.#afterQuote) {
      this.#afterQuote = false;
      if (text[from] === '"') {
        this.#field += '"';
        return from + 1;
      }
      this.#inQuotes = false;
      this.#quotedLength = this.#field.length;
      return from;
    }
    const end = text.indexOf('"', from);
    this.#field += text.slice(from, end < 0 ? text.length : end);
    if (end < 0) return text.length;
    this.#afterQuote = true;
    return end + 1;
  }

  #plain(text: string, from: number, found: CsvRecord[]): number {
    let at = from;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === 44 || code === 10 || (code === 34 && at === from && this.#field === '' && !this.#wasQuoted)) break;
      at++;
    }
    this.#field += text.slice(from, at);
    if (at === text.length) return at;
    const code = text.charCodeAt(at);
    if (code === 34) {
      this.#inQuotes = true;
      this.#wasQuoted = true;
    } else if (code === 44) {
      this.#endField();
    } else {
      this.#endRecord(found);
    }
    return at + 1;
  }

  #endField(): void {
    this.#record.push(this.#field === '' && !this.#wasQuoted ? null : this.#field);
    this.#field = '';
    this.#wasQuoted = false;
    this.#inQuotes = false;
    this.#afterQuote = false;
    this.#quotedLength = 0;
  }

  #endRecord(found: CsvRecord[]): void {
    // Text that ends right behind the quote that closes it was not told so yet.
    if (this.#afterQuote) this.#quotedLength = this.#field.length;
    if (this.#field.length > this.#quotedLength && this.#field.endsWith('\r')) this.#field = this.#field.slice(0, -1);
    const isEmpty = this.#record.length === 0 && this.#field === '' && !this.#wasQuoted;
    if (isEmpty) return;
    this.#endField();
    found.push(this.#record);
    this.#record = [];
    this.records++;
  }
}
