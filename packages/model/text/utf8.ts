/**
 * Text from bytes that anybody may have made. What is not UTF-8 is refused by its place: a decoder that puts U+FFFD
 * there instead would make one key of several, and nobody would know.
 */

import { isUtf8 } from 'node:buffer';
import { Fault } from '@tidemark/platform/fault';

const BOM = '\uFEFF';
const LF = 10;
const STEP_BYTES = 64 * 1024;

/** The text of whole bytes. @throws {Fault} `invalid`: not UTF-8; names `what`, the line and the byte within it. */
export function textOfUtf8(bytes: Uint8Array, what: string, firstLine = 1): string {
  if (!isUtf8(bytes)) throw notUtf8(bytes, what, firstLine);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Without the mark that some programs put at a file's beginning. */
export function withoutBom(text: string): string {
  return text.startsWith(BOM) ? text.slice(1) : text;
}

/** Bytes in pieces into text in pieces that end where characters do; counts lines for its refusals. */
export class Utf8Reader {
  readonly #what: string;
  #rest: Uint8Array = new Uint8Array(0);
  #line = 1;
  #isFirst = true;

  /** @param what is read, for messages */
  constructor(what: string) {
    this.#what = what;
  }

  /** @throws {Fault} `invalid`: not UTF-8; names the line and the byte within it. */
  read(piece: Uint8Array): string {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    // Up to the last line end, if there is one: a place is then told as line and byte.
    const end = bytes.lastIndexOf(LF) + 1 || wholeLength(bytes);
    this.#rest = bytes.subarray(end);
    return this.#text(bytes.subarray(0, end));
  }

  /** What is left at the end. @throws {Fault} `invalid`: it ends within a character. */
  end(): string {
    const bytes = this.#rest;
    this.#rest = new Uint8Array(0);
    return this.#text(bytes);
  }

  #text(bytes: Uint8Array): string {
    const text = textOfUtf8(bytes, this.#what, this.#line);
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) this.#line++;
    if (!this.#isFirst || text === '') return text;
    this.#isFirst = false;
    return withoutBom(text);
  }
}

/** Without the beginning of a character at the end, of which more bytes may come. */
function wholeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) return back < sequenceLength(byte) ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function notUtf8(bytes: Uint8Array, what: string, firstLine: number): Fault {
  const at = badByteAt(bytes);
  const lineStart = at === 0 ? 0 : bytes.lastIndexOf(LF, at - 1) + 1;
  let line = firstLine;
  for (let i = bytes.indexOf(LF); i >= 0 && i < at; i = bytes.indexOf(LF, i + 1)) line++;
  const got = `0x${bytes[at]!.toString(16).padStart(2, '0')}`;
  const place = `line ${line}, byte ${at - lineStart + 1}`;
  return new Fault('invalid', `${what}, ${place}: ${got} is not UTF-8`, { got, expected: 'UTF-8' });
}

/** Where the first character begins that is none. */
function badByteAt(bytes: Uint8Array): number {
  let at = 0;
  // By large steps as far as all is well, then character by character.
  for (let step = nextStep(bytes, at); step > 0 && isUtf8(bytes.subarray(at, at + step)); step = nextStep(bytes, at)) {
    at += step;
  }
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at]!);
    if (length === 0 || at + length > bytes.length || !isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
  return at;
}

function nextStep(bytes: Uint8Array, at: number): number {
  return wholeLength(bytes.subarray(at, at + STEP_BYTES));
}

/** Bytes of the character that a byte begins; 0 when it begins none. */
function sequenceLength(byte: number): number {
  if (byte < 0x80) return 1;
  if (byte < 0xc2 || byte > 0xf4) return 0;
  return byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}
